#include "protocol/mqtt/ack_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "protocol/mqtt/encoder.h"

namespace kyanite::mqtt {
namespace {

std::string pubacks(std::initializer_list<int> ids) {
  std::string out;
  for (const int id : ids) append_puback(out, PacketId{static_cast<std::uint16_t>(id)});
  return out;
}

TEST(AckWindow, releases_acknowledgements_given_in_order_at_once) {
  AckWindow window;
  std::string out;
  const AckSequence first = window.add(PacketId{11}, 5), second = window.add(PacketId{12}, 5);
  window.acknowledge(out, first);
  EXPECT_EQ(out, pubacks({11}));
  window.acknowledge(out, second);
  EXPECT_EQ(out, pubacks({11, 12}));
}

TEST(AckWindow, holds_a_later_acknowledgement_until_its_turn) {
  AckWindow window;
  std::string out;
  const AckSequence first = window.add(PacketId{1}, 5), second = window.add(PacketId{2}, 5),
                    third = window.add(PacketId{3}, 5);
  window.acknowledge(out, third);
  window.acknowledge(out, second);
  EXPECT_EQ(out, "");
  window.acknowledge(out, first);
  EXPECT_EQ(out, pubacks({1, 2, 3}));
}

TEST(AckWindow, counts_publishes_and_bytes_until_the_puback_leaves) {
  AckWindow window;
  std::string out;
  const AckSequence first = window.add(PacketId{1}, 100), second = window.add(PacketId{2}, 30);
  EXPECT_EQ(window.size(), 2u);
  EXPECT_EQ(window.bytes(), 130u);
  window.acknowledge(out, second);
  EXPECT_EQ(window.size(), 2u);
  window.acknowledge(out, first);
  EXPECT_EQ(window.size(), 0u);
  EXPECT_EQ(window.bytes(), 0u);
}

TEST(AckWindow, takes_a_packet_id_that_is_in_use_as_another_publish) {
  AckWindow window;
  std::string out;
  const AckSequence first = window.add(PacketId{1}, 1), again = window.add(PacketId{1}, 1);
  window.acknowledge(out, again);
  window.acknowledge(out, first);
  EXPECT_EQ(out, pubacks({1, 1}));
}

TEST(AckWindow, B48_keeps_publish_order_over_any_order_of_completion) {
  std::mt19937 random(48);
  AckWindow window;
  std::string out, expected;
  std::vector<AckSequence> open;
  for (int i = 1; i <= 2000; ++i) {
    const PacketId id{static_cast<std::uint16_t>(i)};
    open.push_back(window.add(id, 1));
    append_puback(expected, id);
    while (open.size() > 20 || (!open.empty() && random() % 3 == 0)) {
      std::swap(open[random() % open.size()], open.back());
      window.acknowledge(out, open.back());
      open.pop_back();
    }
  }
  for (const AckSequence sequence : open) window.acknowledge(out, sequence);
  EXPECT_EQ(out, expected);
}

TEST(AckWindowDeathTest, stops_on_an_acknowledgement_nobody_waits_for) {
  AckWindow window;
  std::string out;
  const AckSequence first = window.add(PacketId{1}, 1), second = window.add(PacketId{2}, 1);
  window.acknowledge(out, second);
  EXPECT_DEATH(window.acknowledge(out, second), "acknowledged");
  EXPECT_DEATH(window.acknowledge(out, AckSequence{3}), "sequence");
  window.acknowledge(out, first);
  EXPECT_DEATH(window.acknowledge(out, first), "sequence");
}

}  // namespace
}  // namespace kyanite::mqtt
