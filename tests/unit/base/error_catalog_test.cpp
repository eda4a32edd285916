#include "protocol/base/error_catalog.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

constexpr auto kLast = Errc::operation_failed;  // the last enumerator

TEST(ErrorCatalog, has_a_complete_row_for_each_code) {
  for (int i = 0; i <= static_cast<int>(kLast); ++i) {
    const ErrorRow& row = error_row(static_cast<Errc>(i));
    EXPECT_EQ(static_cast<int>(row.code), i);
    EXPECT_FALSE(row.name.empty()) << i;
    EXPECT_FALSE(row.text.empty()) << i;
    EXPECT_GE(row.http_status, 400) << i;
    EXPECT_LT(row.http_status, 600) << i;
  }
}

TEST(ErrorCatalog, numbers_begin_with_the_http_status) {
  for (int i = 0; i <= static_cast<int>(kLast); ++i) {
    const ErrorRow& row = error_row(static_cast<Errc>(i));
    EXPECT_EQ(row.number / 1000, row.http_status) << row.name;
  }
}

TEST(ErrorCatalog, speaks_the_services_numbers) {
  EXPECT_EQ(error_row(Errc::device_not_found).number, 404001);
  EXPECT_EQ(error_row(Errc::device_not_found).name, "DeviceNotFound");
  EXPECT_EQ(error_row(Errc::device_already_exists).number, 409001);
  EXPECT_EQ(error_row(Errc::message_too_large).number, 413001);
  EXPECT_EQ(error_row(Errc::throttled).http_status, 429);
}

TEST(ErrorCatalog, does_not_tell_a_disabled_device_from_bad_credentials) {
  EXPECT_EQ(error_row(Errc::device_disabled).number, error_row(Errc::unauthorized).number);
  EXPECT_EQ(error_row(Errc::device_disabled).text, error_row(Errc::unauthorized).text);
}

TEST(ErrorCatalogDeathTest, stops_on_a_code_without_a_row) {
  EXPECT_DEATH((void)error_row(static_cast<Errc>(static_cast<int>(kLast) + 1)), "assertion_failed");
}

}  // namespace
}  // namespace kyanite
