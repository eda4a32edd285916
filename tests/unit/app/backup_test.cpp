#include "server/app/backup/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "server/app/backup/restore.h"
#include "server/app/first_start/files.h"
#include "server/app/store_change.h"
#include "tests/support/temporary_directory.h"

namespace kyanite {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

BackupManifest manifest() {
  BackupManifest out;
  out.version = "1.2.3";
  out.created = WallTime(milliseconds(1767605400123));
  out.store_format = 3;
  out.partitions = 4;
  out.hub_id = "abc";
  out.host_names = {"hub.test"};
  out.files = {{"pki/ca.pem", 5, std::string(64, 'a')}, {"store/files/blobs/x", 0, std::string(64, '0')}};
  return out;
}

TEST(BackupManifest, comes_back_as_it_was_written) {
  EXPECT_EQ(decode_manifest(encode_manifest(manifest())).value(), manifest());
}

TEST(BackupManifest, paths_stay_inside) {
  for (const char* path : {"store/../x", "/etc/passwd", "store", "store/", "other/x", "store//x", "store/./x",
                           "../store/x", "pki/..", ""}) {
    BackupManifest bad = manifest();
    bad.files[0].path = path;
    const auto decoded = decode_manifest(encode_manifest(bad));
    ASSERT_FALSE(decoded) << path;
    EXPECT_EQ(decoded.error().code, Errc::format_error);
  }
}

TEST(BackupManifest, what_is_none_is_refused) {
  const std::string good = encode_manifest(manifest());
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"kyanite-backup", "other"},
                                 {"\"format\": 1", "\"format\": 2"},
                                 {"\"storeFormat\": 3", "\"storeFormat\": -3"},
                                 {"\"bytes\": 0,", "\"bytes\": \"0\","},
                                 {std::string(64, 'a'), std::string(64, 'g')},
                                 {"\"hubId\"", "\"other\""}}) {
    std::string text = good;
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    EXPECT_FALSE(decode_manifest(text)) << from;
  }
  for (const char* text : {"", "[]", "{}", "{", "null"}) EXPECT_FALSE(decode_manifest(text)) << text;
}

TEST(BackupName, is_that_of_a_folder_of_its_own) {
  for (const char* name : {"a", "backup-20260105T100000Z", "v1.2_3"})
    EXPECT_TRUE(is_backup_name(name)) << name;
  for (const char* name : {"", ".", "..", ".a", "a/b", "a b", "a~", "a~.tmp", "\xc3\xa9"})
    EXPECT_FALSE(is_backup_name(name)) << name;
  EXPECT_FALSE(is_backup_name(std::string(65, 'a')));
}

// A data directory in every state that a crash of a restore can leave.
class FinishRestore : public testing::Test {
 protected:
  fs::path data() const { return directory_.path(); }
  std::string text(const std::string& path) const {
    const auto read = read_file(data() / path);
    return read ? *read : "absent";
  }
  void expect_state(const std::string& state) const {
    EXPECT_EQ(text("store/CURRENT"), state);
    EXPECT_EQ(text("pki/ca.pem"), state);
    for (const char* name : {"restore.tmp", "restore.next", "restore.old"})
      EXPECT_FALSE(fs::exists(data() / name)) << name;
  }
  void put(const std::string& folder, const std::string& state) const {
    write(data() / folder / "store/CURRENT", state);
    write(data() / folder / "pki/ca.pem", state);
  }
  void move(const std::string& from, const std::string& to) const {
    fs::create_directories((data() / to).parent_path());
    fs::rename(data() / from, data() / to);
  }

  TemporaryDirectory directory_;
};

TEST_F(FinishRestore, what_was_not_decided_goes) {
  put("", "old");
  put("restore.tmp", "new");
  EXPECT_FALSE(finish_restore(data()).value());
  expect_state("old");
}

TEST_F(FinishRestore, what_was_decided_is_completed_from_every_step) {
  const std::pair<const char*, const char*> steps[] = {{"store", "restore.old/store"},
                                                       {"restore.next/store", "store"},
                                                       {"pki", "restore.old/pki"},
                                                       {"restore.next/pki", "pki"}};
  for (std::size_t done = 0; done <= std::size(steps); ++done) {
    for (const char* name : {"store", "pki", "restore.next", "restore.old"}) fs::remove_all(data() / name);
    put("", "old");
    put("restore.next", "new");
    for (std::size_t i = 0; i < done; ++i) move(steps[i].first, steps[i].second);
    EXPECT_TRUE(is_restore_unfinished(data()));
    EXPECT_TRUE(finish_restore(data()).value()) << done;
    expect_state("new");
    EXPECT_FALSE(finish_restore(data()).value());
    expect_state("new");
  }
}

TEST_F(FinishRestore, a_backup_without_certificates_leaves_those_that_are_there) {
  put("", "old");
  write(data() / "restore.next/store/CURRENT", "new");
  EXPECT_TRUE(finish_restore(data()).value());
  EXPECT_EQ(text("store/CURRENT"), "new");
  EXPECT_EQ(text("pki/ca.pem"), "old");
}

// A whole backup in a folder.
void put_backup(const fs::path& folder) {
  BackupManifest whole = manifest();
  whole.files.clear();
  write(folder / "store/CURRENT", "new");
  whole.files.push_back(hash_file(folder, "store/CURRENT", {}).value());
  ASSERT_TRUE(write_file(folder / BackupManifest::kFileName, encode_manifest(whole), 0600));
}

TEST(CopyBackup, a_slash_behind_the_target_means_the_folder) {
  TemporaryDirectory directory;
  put_backup(directory.path() / "from");
  fs::create_directory(directory.path() / "empty");
  for (const char* target : {"new", "new/", "empty/", "more//"}) {
    const auto copied = copy_backup(directory.path() / "from", directory.path() / target, {});
    if (std::string(target) == "new/") {
      ASSERT_FALSE(copied);
      EXPECT_EQ(copied.error().code, Errc::conflict);
      continue;
    }
    ASSERT_TRUE(copied) << target << ": " << copied.error().detail;
    EXPECT_TRUE(read_manifest(directory.path() / target)) << target;
    EXPECT_FALSE(fs::exists(directory.path() / target / "~.tmp")) << target;
  }
}

TEST(RemoveBackup, what_a_removal_that_was_cut_off_left_is_no_backup_and_takes_no_name) {
  TemporaryDirectory directory;
  const fs::path folder = backups_folder(directory.path());
  put_backup(folder / "a");
  ASSERT_EQ(list_backups_of(directory.path()).size(), 1u);
  write(folder / "a~.tmp/store/CURRENT", "of an earlier removal");
  ASSERT_TRUE(remove_backup(directory.path(), "a"));
  EXPECT_TRUE(fs::is_empty(folder));
  EXPECT_EQ(remove_backup(directory.path(), "a").error().code, Errc::not_found);
  // As a kill behind the first step leaves it.
  put_backup(folder / "a~.tmp");
  EXPECT_TRUE(list_backups_of(directory.path()).empty());
  remove_unfinished_backups(directory.path());
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(LinkUploadedFiles, a_folder_that_cannot_be_made_is_an_error_and_no_empty_backup) {
  TemporaryDirectory directory;
  const fs::path store = directory.path() / "store", to = directory.path() / "to";
  write(store / "files/account.key", "a2V5");
  write(store / "files/parts/x-1", "block");
  write(store / "files/blobs/x", "content");
  fs::create_directory(to);
  ASSERT_TRUE(link_uploaded_files(store, to));
  EXPECT_TRUE(fs::exists(to / "files/blobs/x"));
  fs::remove_all(to);
  fs::create_directories(to / "files");
  fs::create_symlink(to / "nowhere", to / "files/blobs");  // links into it fail as if what they link had gone
  EXPECT_FALSE(link_uploaded_files(store, to));
}

TEST(FileCopy, a_copy_is_what_was_hashed_and_a_link_is_not_followed) {
  TemporaryDirectory directory;
  const fs::path from = directory.path() / "from", to = directory.path() / "to";
  write(from / "store/a", "abc");
  fs::create_directories(to);
  const BackupFile copied = copy_hashed(from, to, "store/a", {}).value();
  EXPECT_EQ(copied.bytes, 3u);
  EXPECT_EQ(copied.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_file(to, "store/a", {}).value(), copied);
  EXPECT_FALSE(copy_hashed(from, to, "store/a", {}));  // nothing is written over
  fs::create_symlink("/etc/passwd", from / "store/b");
  EXPECT_FALSE(copy_hashed(from, to, "store/b", {}));
  EXPECT_FALSE(files_of(from, "store"));
  const auto cancelled =
      copy_hashed(from, to / "other", "store/a", {.is_cancelled = [] { return true; }, .moved = {}});
  EXPECT_FALSE(cancelled);
}

}  // namespace
}  // namespace kyanite
