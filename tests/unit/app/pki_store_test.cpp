#include "server/app/first_start/pki_store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "server/app/first_start/files.h"
#include "server/app/first_start/pki.h"
#include "tests/support/temporary_directory.h"

namespace kyanite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<std::string> kNames{"hub.test", "127.0.0.1"};

WallTime today() { return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now()); }

unsigned mode_of(const std::filesystem::path& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 0777u : 0;
}

TEST(PkiStore, the_first_start_makes_a_ca_and_a_certificate_with_private_keys) {
  const TemporaryDirectory directory;
  const auto pki = directory.path() / "pki";
  const auto made = load_server_certificate({}, pki, kNames, today());
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(made->renewed.size(), 2u);
  EXPECT_EQ(made->ca_file, pki / "ca.pem");
  EXPECT_EQ(mode_of(pki), 0700u);
  EXPECT_EQ(mode_of(pki / "ca.key"), 0600u);
  EXPECT_EQ(mode_of(pki / "server.key"), 0600u);
  EXPECT_EQ(mode_of(pki / "ca.pem"), 0644u);
  EXPECT_EQ(remembered_host_name(pki), "hub.test");
}

TEST(PkiStore, the_second_start_changes_nothing) {
  const TemporaryDirectory directory;
  const auto first = load_server_certificate({}, directory.path() / "pki", kNames, today());
  const auto second = load_server_certificate({}, directory.path() / "pki", kNames, today());
  EXPECT_THAT(second->renewed, IsEmpty());
  EXPECT_EQ(second->certificate_pem, first->certificate_pem);
  EXPECT_EQ(second->ca_pem, first->ca_pem);
}

TEST(PkiStore, a_change_of_names_makes_a_new_certificate_by_the_same_ca) {
  const TemporaryDirectory directory;
  const auto first = load_server_certificate({}, directory.path() / "pki", kNames, today());
  const auto second = load_server_certificate({}, directory.path() / "pki", {"other.test"}, today());
  EXPECT_THAT(second->renewed, ElementsAre(HasSubstr("names changed")));
  EXPECT_EQ(second->ca_pem, first->ca_pem);
  EXPECT_THAT(pki::names_of(second->certificate_pem), ElementsAre("other.test"));
}

TEST(PkiStore, time_alone_renews_the_certificate_and_later_the_ca_with_its_key) {
  const TemporaryDirectory directory;
  const auto pki = directory.path() / "pki";
  const auto first = load_server_certificate({}, pki, kNames, today());
  const auto next_year = load_server_certificate({}, pki, kNames, today() + std::chrono::days(380));
  EXPECT_THAT(next_year->renewed, ElementsAre(HasSubstr("server certificate: it expires soon")));
  EXPECT_EQ(next_year->ca_pem, first->ca_pem);
  const auto key = read_file(pki / "ca.key");
  const auto in_ten_years = load_server_certificate({}, pki, kNames, today() + std::chrono::days(3640));
  EXPECT_THAT(in_ten_years->renewed,
              ElementsAre(HasSubstr("CA certificate"), HasSubstr("server certificate")));
  EXPECT_NE(in_ten_years->ca_pem, first->ca_pem);
  EXPECT_EQ(*read_file(pki / "ca.key"), *key);
}

TEST(PkiStore, a_certificate_cut_off_by_a_crash_is_made_anew) {
  const TemporaryDirectory directory;
  const auto pki = directory.path() / "pki";
  ASSERT_TRUE(load_server_certificate({}, pki, kNames, today()));
  std::ofstream(pki / "server.pem", std::ios::trunc) << "-----BEGIN";
  const auto again = load_server_certificate({}, pki, kNames, today());
  ASSERT_TRUE(again);
  EXPECT_THAT(again->renewed, ElementsAre(HasSubstr("cannot be read")));
}

TEST(PkiStore, a_lost_ca_key_is_refused_with_the_remedy) {
  const TemporaryDirectory directory;
  const auto pki = directory.path() / "pki";
  ASSERT_TRUE(load_server_certificate({}, pki, kNames, today()));
  std::ofstream(pki / "ca.pem", std::ios::trunc) << "";
  const auto again = load_server_certificate({}, pki, kNames, today());
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().detail, HasSubstr("restore ca.key and ca.pem"));
}

TEST(PkiStore, a_first_start_cut_off_between_the_cas_key_and_its_certificate_is_made_good) {
  const TemporaryDirectory directory;
  const auto pki = directory.path() / "pki";
  ASSERT_TRUE(load_server_certificate({}, pki, kNames, today()));
  for (const char* name : {"ca.pem", "server.key", "server.pem"}) std::filesystem::remove(pki / name);
  const auto again = load_server_certificate({}, pki, kNames, today());
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_THAT(again->renewed, ElementsAre(HasSubstr("CA"), HasSubstr("server certificate")));
}

TEST(PkiStore, a_missing_ca_certificate_that_was_in_use_is_refused_with_the_remedy) {
  const TemporaryDirectory directory;
  const auto pki = directory.path() / "pki";
  ASSERT_TRUE(load_server_certificate({}, pki, kNames, today()));
  std::filesystem::remove(pki / "ca.pem");
  const auto again = load_server_certificate({}, pki, kNames, today());
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().detail, HasSubstr("restore ca.key and ca.pem"));
}

TEST(PkiStore, a_ca_that_cannot_be_read_is_never_replaced) {
  const TemporaryDirectory directory;
  const auto pki = directory.path() / "pki";
  ASSERT_TRUE(load_server_certificate({}, pki, kNames, today()));
  const std::string unreadable(2 * 1024 * 1024, 'x');  // over what read_file takes, for root too
  for (const char* name : {"ca.key", "ca.pem"}) std::ofstream(pki / name, std::ios::trunc) << unreadable;
  const auto again = load_server_certificate({}, pki, kNames, today());
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().detail, HasSubstr("ca.key"));
  EXPECT_EQ(std::filesystem::file_size(pki / "ca.key"), unreadable.size());
  EXPECT_EQ(std::filesystem::file_size(pki / "ca.pem"), unreadable.size());
}

TEST(PkiStore, a_ca_restored_by_half_is_refused_with_the_remedy) {
  const TemporaryDirectory directory;
  const auto pki = directory.path() / "pki";
  ASSERT_TRUE(load_server_certificate({}, pki, kNames, today()));
  const auto other = pki::make_ca(today());
  std::ofstream(pki / "ca.key", std::ios::trunc) << other->key_pem;
  const auto again = load_server_certificate({}, pki, kNames, today());
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().detail, HasSubstr("its key is another one"));
  EXPECT_THAT(again.error().detail, HasSubstr("restore ca.key and ca.pem"));
}

TEST(PkiStore, a_machine_that_starts_in_1970_keeps_its_certificates) {
  const TemporaryDirectory directory;
  const auto pki = directory.path() / "pki";
  const auto first = load_server_certificate({}, pki, kNames, today());
  const auto again = load_server_certificate({}, pki, kNames, WallTime{});
  ASSERT_TRUE(again);
  EXPECT_THAT(again->renewed, IsEmpty());
  EXPECT_EQ(again->ca_pem, first->ca_pem);
}

TEST(PkiStore, a_first_start_in_1970_makes_a_ca_that_lasts_when_the_clock_is_set) {
  const TemporaryDirectory directory;
  const auto pki = directory.path() / "pki";
  const auto first = load_server_certificate({}, pki, kNames, WallTime{});
  ASSERT_TRUE(first);
  const WallTime set = pki::kEarliestNow + std::chrono::days(200);
  const auto later = load_server_certificate({}, pki, kNames, set);
  EXPECT_THAT(later->renewed, IsEmpty());
  const auto next_year = load_server_certificate({}, pki, kNames, set + std::chrono::days(365));
  EXPECT_THAT(next_year->renewed, ElementsAre(HasSubstr("server certificate")));
  EXPECT_EQ(next_year->ca_pem, first->ca_pem);
}

TEST(PkiStore, a_users_own_certificate_is_served_and_its_faults_are_named) {
  const TemporaryDirectory directory;
  const auto ca = pki::make_ca(today());
  const auto server = pki::issue_server(*ca, kNames, KeyType::ecdsa_p256, today());
  Settings::Tls settings;
  settings.certificate_file = directory.path() / "hub.pem";
  settings.key_file = directory.path() / "hub.key";
  settings.ca_file = directory.path() / "ca.pem";
  EXPECT_THAT(load_server_certificate(settings, directory.path() / "pki", kNames, today()).error().detail,
              HasSubstr("tls.certificateFile"));
  std::ofstream(settings.certificate_file) << server->certificate_pem;
  std::ofstream(settings.key_file) << server->key_pem;
  EXPECT_THAT(load_server_certificate(settings, directory.path() / "pki", kNames, today()).error().detail,
              HasSubstr("tls.caFile"));
  std::ofstream(settings.ca_file) << ca->certificate_pem;
  const auto loaded = load_server_certificate(settings, directory.path() / "pki", kNames, today());
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->certificate_pem, server->certificate_pem);
  EXPECT_EQ(loaded->ca_file, settings.ca_file);
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "pki"));
  std::ofstream(settings.key_file, std::ios::trunc) << ca->key_pem;
  EXPECT_THAT(load_server_certificate(settings, directory.path() / "pki", kNames, today()).error().detail,
              HasSubstr("not the one of the certificate"));
}

}  // namespace
}  // namespace kyanite
