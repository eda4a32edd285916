#include "server/hub/registry_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/base64.h"
#include "protocol/base/limits.h"
#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

const IfMatch kAny{true, {}};
IfMatch etag(std::string text) { return {false, std::move(text)}; }

class Registry : public testing::Test {
 protected:
  using Views = std::vector<IdentityView>;
  Errc refusal(IdentityRecord record, std::optional<IfMatch> if_match = std::nullopt) {
    const Result<IdentityView> result = hub.put(std::move(record), std::move(if_match));
    EXPECT_FALSE(result) << "was accepted";
    return result ? Errc::internal : result.error().code;
  }
  Result<Views> modules(const std::string& id) {
    return hub.ask<Views>([&](Reply<Views> r) { hub.registry().list_modules(id, std::move(r)); });
  }
  Result<Views> list(std::size_t limit) {
    return hub.ask<Views>([&](Reply<Views> r) { hub.registry().list("", limit, std::move(r)); });
  }
  Result<TwinView> twin(const Identity& id) {
    return hub.ask<TwinView>([&](Reply<TwinView> r) { hub.registry().twin(id, std::move(r)); });
  }
  static IdentityRecord edge(std::string id) {
    IdentityRecord record = wanted(device(std::move(id)));
    record.iot_edge = true;
    return record;
  }

  SimHub hub;
};

TEST_F(Registry, R33_a_new_device_gets_two_different_keys_of_32_bytes) {
  const IdentityView n1 = hub.put(wanted(device("n1"))).value();
  EXPECT_EQ(decode_base64(n1.record.primary_key)->size(), 32u);
  EXPECT_EQ(decode_base64(n1.record.secondary_key)->size(), 32u);
  EXPECT_NE(n1.record.primary_key, n1.record.secondary_key);
  EXPECT_EQ(n1.record.auth_type, AuthenticationType::sas);
  EXPECT_EQ(n1.record.status, IdentityStatus::enabled);
  EXPECT_EQ(n1.record.status_updated, kNever);
  EXPECT_FALSE(n1.connected);
  EXPECT_THAT(n1.record.generation_id, testing::MatchesRegex("[0-9]{18}"));
}

TEST_F(Registry, R34_creating_again_without_if_match_is_a_conflict) {
  hub.add(device("n1"));
  EXPECT_EQ(refusal(wanted(device("n1"))), Errc::device_already_exists);
}

TEST_F(Registry, R35_replacing_takes_a_star_or_the_present_etag) {
  const IdentityRecord n1 = hub.add(device("n1"));
  EXPECT_TRUE(hub.put(n1, kAny));
  const std::string current = identity_etag(hub.get(device("n1"))->record);
  EXPECT_NE(current, identity_etag(n1));
  EXPECT_TRUE(hub.put(n1, etag(current)));
}

TEST_F(Registry, R36_a_stale_etag_is_refused_and_a_missing_device_not_found) {
  const IdentityRecord n1 = hub.add(device("n1"));
  ASSERT_TRUE(hub.put(n1, kAny));
  EXPECT_EQ(refusal(n1, etag(identity_etag(n1))), Errc::precondition_failed);
  EXPECT_EQ(refusal(n1, etag("x")), Errc::precondition_failed);
  EXPECT_EQ(refusal(wanted(device("n2")), kAny), Errc::device_not_found);
}

TEST_F(Registry, R37_replacing_without_keys_mints_new_ones) {
  const IdentityRecord n1 = hub.add(device("n1"));
  const IdentityRecord after = hub.put(wanted(device("n1")), kAny).value().record;
  EXPECT_NE(after.primary_key, n1.primary_key);
  EXPECT_NE(after.secondary_key, n1.secondary_key);
  EXPECT_EQ(after.generation_id, n1.generation_id);
}

TEST_F(Registry, R38_keys_are_both_or_none_and_16_to_64_bytes) {
  IdentityRecord record = wanted(device("n1"));
  record.primary_key = encode_base64(std::string(32, 'k'));
  EXPECT_EQ(refusal(record), Errc::argument_invalid);
  for (const std::size_t bytes : {15u, 65u}) {
    record.primary_key = record.secondary_key = encode_base64(std::string(bytes, 'k'));
    EXPECT_EQ(refusal(record), Errc::argument_invalid) << bytes;
  }
  record.primary_key = encode_base64(std::string(64, 'k'));
  record.secondary_key = encode_base64(std::string(16, 'k'));
  EXPECT_EQ(hub.put(record).value().record.primary_key, record.primary_key);
  record.primary_key = "not base64!";
  EXPECT_EQ(refusal(record, kAny), Errc::argument_invalid);
}

TEST_F(Registry, R39_empty_keys_are_generated) {
  IdentityRecord record = wanted(device("n1"));
  record.primary_key = record.secondary_key = "";
  EXPECT_FALSE(hub.put(record).value().record.primary_key.empty());
}

TEST_F(Registry, R40_thumbprints_have_no_separators_and_keep_their_case) {
  IdentityRecord record = wanted(device("x"));
  record.auth_type = AuthenticationType::self_signed;
  record.primary_thumbprint = "AA:BB:CC";
  EXPECT_EQ(refusal(record), Errc::argument_invalid);
  record.primary_thumbprint = std::string(40, 'a');
  record.primary_key = record.secondary_key = encode_base64(std::string(32, 'k'));
  const IdentityRecord stored = hub.put(record).value().record;
  EXPECT_EQ(stored.primary_thumbprint, record.primary_thumbprint);
  EXPECT_EQ(stored.primary_key, "") << "keys are not of this type";
}

TEST_F(Registry, a_self_signed_device_may_have_no_thumbprint_yet) {
  IdentityRecord record = wanted(device("x"));
  record.auth_type = AuthenticationType::self_signed;
  EXPECT_TRUE(hub.put(record));
}

TEST_F(Registry, R41_a_ca_device_has_neither_keys_nor_thumbprints) {
  IdentityRecord record = wanted(device("c"));
  record.auth_type = AuthenticationType::certificate_authority;
  record.primary_key = "anything";
  record.primary_thumbprint = "anything";
  const IdentityRecord stored = hub.put(record).value().record;
  EXPECT_EQ(stored.primary_key, "");
  EXPECT_EQ(stored.primary_thumbprint, "");
}

TEST_F(Registry, a_device_of_type_none_is_refused_and_a_module_gets_keys) {
  hub.add(device("d"));
  IdentityRecord record = wanted(device("d2"));
  record.auth_type = AuthenticationType::none;
  EXPECT_EQ(refusal(record), Errc::argument_invalid);
  record.id = module("d", "m");
  const IdentityRecord stored = hub.put(record).value().record;
  EXPECT_EQ(stored.auth_type, AuthenticationType::sas);
  EXPECT_FALSE(stored.primary_key.empty());
}

TEST_F(Registry, R43_deleting_needs_if_match_and_an_identity) {
  const IdentityRecord n1 = hub.add(device("n1"));
  EXPECT_EQ(hub.erase(device("n1"), std::nullopt).error().code, Errc::etag_missing);
  EXPECT_EQ(hub.erase(device("n1"), etag("stale")).error().code, Errc::precondition_failed);
  EXPECT_TRUE(hub.erase(device("n1"), kAny));
  EXPECT_EQ(hub.erase(device("n1"), kAny).error().code, Errc::device_not_found);
  EXPECT_EQ(hub.get(device("n1")).error().code, Errc::device_not_found);
}

TEST(RegistryLenient, R43_deleting_without_if_match_can_be_allowed) {
  SimHub::Options options;
  options.settings.auth.require_delete_etag = false;
  SimHub hub(options);
  hub.add(device("n1"));
  EXPECT_TRUE(hub.erase(device("n1"), std::nullopt));
}

TEST_F(Registry, R44_a_recreated_device_is_new_in_everything) {
  const IdentityRecord first = hub.add(device("n1"));
  ASSERT_TRUE(hub.erase(device("n1")));
  const IdentityRecord second = hub.add(device("n1"));
  EXPECT_NE(second.generation_id, first.generation_id);
  EXPECT_NE(identity_etag(second), identity_etag(first));
  EXPECT_EQ(twin(device("n1"))->twin.version, 2u);
}

TEST_F(Registry, R45_ids_follow_the_services_grammar) {
  for (const std::string& id :
       {std::string(129, 'a'), std::string("a b"), std::string("a/b"), std::string()}) {
    EXPECT_EQ(refusal(wanted(device(id))), Errc::argument_invalid) << id;
  }
  EXPECT_TRUE(hub.put(wanted(device("A-:.+%_#*?!(),=@;$'z"))));
  EXPECT_TRUE(hub.put(wanted(device(std::string(128, 'a')))));
}

TEST_F(Registry, R47_a_status_change_moves_its_time_and_the_etag) {
  IdentityRecord n1 = hub.add(device("n1"));
  hub.loop.advance(seconds(7));
  n1.status = IdentityStatus::disabled;
  n1.status_reason = "lost";
  const IdentityRecord off = hub.put(n1, kAny).value().record;
  EXPECT_EQ(off.status_updated, hub.loop.wall_now());
  EXPECT_NE(identity_etag(off), identity_etag(n1));
  hub.loop.advance(seconds(7));
  EXPECT_EQ(hub.put(n1, kAny).value().record.status_updated, off.status_updated) << "still disabled";
  n1.status_reason = std::string(129, 'x');
  EXPECT_EQ(refusal(n1, kAny), Errc::argument_invalid);
}

TEST_F(Registry, R49_a_list_has_at_most_1000_devices_in_order_with_their_live_state) {
  for (int i = 0; i < 1005; ++i) hub.add(device("d" + std::to_string(10000 + i)));
  SimDevice client(hub, hub.get(device("d10003"))->record, 1);
  ASSERT_EQ(client.connect(), std::vector<std::string>{"CONNACK 0"});
  const Views views = list(5000).value();
  ASSERT_EQ(views.size(), 1000u);
  for (std::size_t i = 0; i < views.size(); ++i) {
    EXPECT_EQ(views[i].record.id.device, "d" + std::to_string(10000 + i));
    EXPECT_EQ(views[i].connected, i == 3) << i;
  }
  EXPECT_EQ(list(2)->size(), 2u);
  EXPECT_EQ(
      hub.ask<IdentityCounts>([&](Reply<IdentityCounts> r) { hub.registry().counts(std::move(r)); })->devices,
      1005u);
}

TEST_F(Registry, an_empty_registry_lists_nothing) { EXPECT_THAT(list(10).value(), IsEmpty()); }

TEST_F(Registry, R50_an_edge_device_gets_a_scope_and_its_two_modules) {
  IdentityRecord wished = edge("e1");
  wished.device_scope = "ms-azure-iot-edge://mine-1";
  const IdentityRecord e1 = hub.put(wished).value().record;
  EXPECT_THAT(e1.device_scope, StartsWith("ms-azure-iot-edge://e1-"));
  const Views views = modules("e1").value();
  ASSERT_EQ(views.size(), 2u);
  EXPECT_EQ(views[0].record.id.module, "$edgeAgent");
  EXPECT_EQ(views[1].record.id.module, "$edgeHub");
  for (const IdentityView& view : views) {
    EXPECT_EQ(view.record.auth_type, AuthenticationType::none);
    EXPECT_EQ(view.record.managed_by, "iotEdge");
    EXPECT_EQ(twin(view.record.id)->twin.version, 2u);
  }
}

TEST_F(Registry, R51_the_scope_of_an_edge_device_is_immutable) {
  IdentityRecord e1 = hub.put(edge("e1")).value().record;
  const std::string scope = e1.device_scope;
  e1.device_scope = "";
  EXPECT_EQ(refusal(e1, kAny), Errc::device_scope_invalid);
  e1.device_scope = scope;
  e1.parent_scopes = {"ms-azure-iot-edge://parent-1"};
  EXPECT_EQ(hub.put(e1, kAny).value().record.parent_scopes, e1.parent_scopes);
}

TEST_F(Registry, R52_a_leaf_hangs_under_the_scope_it_names) {
  const std::string parent = hub.put(edge("e1")).value().record.device_scope;
  IdentityRecord leaf = wanted(device("leaf"));
  leaf.device_scope = parent;
  EXPECT_THAT(hub.put(leaf).value().record.parent_scopes, ElementsAre(parent));
  leaf.device_scope = "";
  leaf.parent_scopes = {parent};
  EXPECT_THAT(hub.put(leaf, kAny).value().record.parent_scopes, IsEmpty()) << "parents alone do nothing";
}

TEST_F(Registry, edge_modules_come_and_go_with_the_capability) {
  IdentityRecord d = hub.add(device("d"));
  d.iot_edge = true;
  const IdentityRecord on = hub.put(d, kAny).value().record;
  EXPECT_THAT(on.device_scope, StartsWith("ms-azure-iot-edge://d-"));
  EXPECT_EQ(modules("d")->size(), 2u);
  IdentityRecord back = on;
  back.iot_edge = false;
  const IdentityRecord off = hub.put(back, kAny).value().record;
  EXPECT_EQ(off.device_scope, "");
  EXPECT_THAT(modules("d").value(), IsEmpty());
  EXPECT_EQ(hub.stores.committed().twins.size(), 1u);
}

TEST_F(Registry, R53_a_second_create_of_a_module_conflicts_and_reserved_names_are_refused) {
  hub.add(device("d"));
  hub.add(module("d", "m"));
  EXPECT_EQ(refusal(wanted(module("d", "m"))), Errc::module_already_exists);
  EXPECT_EQ(refusal(wanted(module("d", "$x"))), Errc::argument_invalid);
  EXPECT_EQ(refusal(wanted(module("d", "$edgeAgent"))), Errc::argument_invalid);
  EXPECT_EQ(hub.erase(module("d", "$edgeAgent")).error().code, Errc::system_module);
}

TEST_F(Registry, R54_modules_of_a_missing_device_are_not_found) {
  EXPECT_EQ(refusal(wanted(module("none", "m"))), Errc::device_not_found);
  EXPECT_EQ(modules("none").error().code, Errc::device_not_found);
  EXPECT_EQ(hub.get(module("none", "m")).error().code, Errc::device_not_found);
  EXPECT_EQ(hub.erase(module("none", "m")).error().code, Errc::device_not_found);
  hub.add(device("d"));
  EXPECT_EQ(hub.get(module("d", "m")).error().code, Errc::module_not_found);
  EXPECT_EQ(refusal(wanted(module("d", "m")), kAny), Errc::module_not_found);
  EXPECT_EQ(twin(module("d", "m")).error().code, Errc::device_not_found) << "item 71";
}

TEST_F(Registry, a_device_has_at_most_50_modules) {
  hub.add(device("d"));
  for (std::size_t i = 0; i < limits::kModulesPerDeviceMax; ++i)
    hub.add(module("d", "m" + std::to_string(i)));
  EXPECT_EQ(refusal(wanted(module("d", "one-more"))), Errc::too_many_modules);
  EXPECT_EQ(modules("d")->size(), limits::kModulesPerDeviceMax);
}

TEST_F(Registry, a_modules_replacement_clears_what_is_omitted) {
  hub.add(device("d"));
  IdentityRecord m = wanted(module("d", "m"));
  m.managed_by = "me";
  EXPECT_EQ(hub.put(m).value().record.managed_by, "me");
  EXPECT_EQ(hub.put(wanted(module("d", "m")), kAny).value().record.managed_by, "");
}

TEST_F(Registry, deleting_a_device_takes_its_modules_and_twins) {
  hub.add(device("d"));
  hub.add(module("d", "m"));
  ASSERT_TRUE(hub.erase(device("d")));
  EXPECT_TRUE(hub.stores.committed().identities.empty());
  EXPECT_TRUE(hub.stores.committed().twins.empty());
  hub.add(device("d"));
  EXPECT_THAT(modules("d").value(), IsEmpty());
}

TEST_F(Registry, deleting_a_module_leaves_the_device) {
  hub.add(device("d"));
  hub.add(module("d", "m"));
  ASSERT_TRUE(hub.erase(module("d", "m")));
  EXPECT_EQ(hub.get(module("d", "m")).error().code, Errc::module_not_found);
  EXPECT_TRUE(hub.get(device("d")));
}

TEST_F(Registry, R62_a_new_twin_begins_with_the_services_numbers) {
  hub.add(device("d"));
  const TwinRecord t = twin(device("d"))->twin;
  EXPECT_EQ(t.version, 2u);
  EXPECT_EQ(t.etag_counter, 1u);
  EXPECT_EQ(t.desired_version, 1u);
  EXPECT_EQ(t.reported_version, 1u);
  EXPECT_EQ(t.tags, "{}");
}

TEST_F(Registry, R70_an_identity_write_leaves_the_twin_alone) {
  const IdentityRecord d = hub.add(device("d"));
  const TwinRecord before = twin(device("d"))->twin;
  ASSERT_TRUE(hub.put(d, kAny));
  EXPECT_EQ(twin(device("d"))->twin, before);
}

TEST_F(Registry, the_counts_follow_the_status) {
  IdentityRecord d = hub.add(device("d"));
  hub.add(device("e"));
  d.status = IdentityStatus::disabled;
  ASSERT_TRUE(hub.put(d, kAny));
  const auto counts = [&] {
    return hub.ask<IdentityCounts>([&](Reply<IdentityCounts> r) { hub.registry().counts(std::move(r)); })
        .value();
  };
  EXPECT_EQ(counts(), (IdentityCounts{2, 1}));
  ASSERT_TRUE(hub.erase(device("d")));
  EXPECT_EQ(counts(), (IdentityCounts{1, 0}));
}

}  // namespace
}  // namespace kyanite::test
