#include "protocol/mqtt/send_window.h"

#include <gtest/gtest.h>

#include <set>

namespace kyanite::mqtt {
namespace {

std::uint16_t id_of(SendWindow& window, std::uint64_t message) {
  return window.add(message).value().packet_id.value;
}

TEST(SendWindow, numbers_messages_from_one_on) {
  SendWindow window;
  EXPECT_EQ(id_of(window, 700), 1);
  EXPECT_EQ(id_of(window, 701), 2);
  EXPECT_EQ(window.size(), 2u);
}

TEST(SendWindow, an_acknowledgement_names_its_message_once) {
  SendWindow window;
  window.add(700);
  window.add(701);
  EXPECT_EQ(window.acknowledge(PacketId{2}), 701u);
  EXPECT_EQ(window.acknowledge(PacketId{2}), std::nullopt);
  EXPECT_EQ(window.acknowledge(PacketId{1}), 700u);
  EXPECT_EQ(window.size(), 0u);
}

TEST(SendWindow, acknowledgements_of_nothing_change_nothing) {
  SendWindow window;
  window.add(700);
  EXPECT_EQ(window.acknowledge(PacketId{0}), std::nullopt);
  EXPECT_EQ(window.acknowledge(PacketId{9}), std::nullopt);
  EXPECT_EQ(window.size(), 1u);
}

TEST(SendWindow, a_message_in_the_window_keeps_its_id) {
  SendWindow window;
  EXPECT_FALSE(window.add(700)->is_repetition);
  window.add(701);
  const auto again = window.add(700);
  EXPECT_TRUE(again->is_repetition);
  EXPECT_EQ(again->packet_id.value, 1);
  EXPECT_EQ(window.size(), 2u);
}

TEST(SendWindow, a_withdrawn_message_is_acknowledged_no_more_and_its_id_rests) {
  SendWindow window;
  window.add(700);
  window.withdraw(700);
  window.withdraw(999);
  EXPECT_EQ(window.acknowledge(PacketId{1}), std::nullopt);
  EXPECT_EQ(id_of(window, 701), 2) << "a late PUBACK of 1 must not meet another message";
}

TEST(SendWindow, ids_wrap_around_past_those_in_use_and_never_are_zero) {
  SendWindow window;
  ASSERT_EQ(id_of(window, 1), 1);  // stays
  for (std::uint64_t message = 2; message <= 0xffff; ++message) {
    ASSERT_EQ(id_of(window, message), message);
    window.acknowledge(PacketId{static_cast<std::uint16_t>(message)});
  }
  EXPECT_EQ(id_of(window, 100'000), 2);
}

TEST(SendWindow, ids_in_flight_are_unique_and_not_zero) {
  SendWindow window;
  std::set<std::uint16_t> ids;
  constexpr std::uint64_t kMessages = 300;
  for (std::uint64_t message = 0; message < kMessages; ++message) ids.insert(id_of(window, message));
  EXPECT_EQ(ids.size(), kMessages);
  EXPECT_FALSE(ids.contains(0));
}

}  // namespace
}  // namespace kyanite::mqtt
