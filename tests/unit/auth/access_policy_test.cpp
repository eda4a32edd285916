#include "protocol/auth/access_policy.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

TEST(AccessPolicy, the_five_defaults_carry_the_rights_of_the_service) {
  const auto policies = default_access_policies();
  ASSERT_EQ(policies.size(), 5u);
  EXPECT_EQ(rights_to_text(find_policy(policies, "iothubowner")->rights),
            "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect");
  EXPECT_EQ(rights_to_text(find_policy(policies, "service")->rights), "ServiceConnect");
  EXPECT_EQ(rights_to_text(find_policy(policies, "device")->rights), "DeviceConnect");
  EXPECT_EQ(rights_to_text(find_policy(policies, "registryRead")->rights), "RegistryRead");
  EXPECT_EQ(rights_to_text(find_policy(policies, "registryReadWrite")->rights),
            "RegistryRead, RegistryWrite");
}

TEST(AccessPolicy, names_are_matched_ignoring_case) {
  const auto policies = default_access_policies();
  ASSERT_NE(find_policy(policies, "IotHubOwner"), nullptr);
  EXPECT_EQ(find_policy(policies, "IotHubOwner")->name, "iothubowner");
  EXPECT_EQ(find_policy(policies, "owner"), nullptr);
  EXPECT_EQ(find_policy(policies, ""), nullptr);
}

TEST(AccessPolicy, writing_the_registry_implies_reading_it) {
  EXPECT_TRUE(Rights(Right::registry_write).has(Right::registry_read));
  EXPECT_FALSE(Rights(Right::registry_read).has(Right::registry_write));
  EXPECT_FALSE(Rights(Right::registry_write).has(Right::service_connect));
}

TEST(AccessPolicy, rights_are_read_from_a_list_in_any_case_and_order) {
  const auto rights = rights_from_text("serviceconnect,RegistryRead , DeviceConnect");
  ASSERT_TRUE(rights);
  EXPECT_EQ(rights_to_text(*rights), "RegistryRead, ServiceConnect, DeviceConnect");
}

TEST(AccessPolicy, an_unknown_or_missing_right_is_refused) {
  for (const char* text : {"", "Owner", "RegistryRead,", ",RegistryRead", "RegistryRead ServiceConnect"}) {
    const auto rights = rights_from_text(text);
    ASSERT_FALSE(rights) << text;
    EXPECT_EQ(rights.error().code, Errc::argument_invalid);
  }
}

TEST(NeededRights, one_of_them_or_all_of_them) {
  const Rights two = Rights(Right::registry_read) | Right::service_connect;
  EXPECT_TRUE(NeededRights::any_of(two).met_by(Right::service_connect));
  EXPECT_TRUE(NeededRights::any_of(two).met_by(Right::registry_write)) << "writing includes reading";
  EXPECT_FALSE(NeededRights::any_of(two).met_by(Right::device_connect));
  EXPECT_FALSE(NeededRights::all_of(two).met_by(Right::service_connect));
  EXPECT_TRUE(NeededRights::all_of(two).met_by(two));
}

TEST(NeededRights, nobody_meets_a_need_that_names_no_right) {
  EXPECT_FALSE(NeededRights::any_of({}).met_by(kAllRights));
  EXPECT_FALSE(NeededRights::all_of({}).met_by(kAllRights));
}

}  // namespace
}  // namespace kyanite
