#include "server/app/backup/backup_manifest.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "protocol/base/iso_time.h"
#include "protocol/base/json_limits.h"
#include "protocol/base/limits.h"
#include "server/app/first_start/files.h"

namespace kyanite {
namespace {

constexpr std::string_view kKind = "kyanite-backup";
constexpr std::size_t kManifestBytesMax = 256 * 1024 * 1024;  // a million files

Error unreadable(const std::string& why) { return Error(Errc::format_error, "the manifest " + why); }

bool is_backup_path(std::string_view path) {
  if (!path.starts_with("store/") && !path.starts_with("pki/")) return false;
  const std::filesystem::path parts(path);
  return std::none_of(parts.begin(), parts.end(),
                      [](const std::filesystem::path& part) {
                        return part.empty() || part == "." || part == ".." || part == "/";
                      }) &&
         path.find('\0') == std::string_view::npos && path.find("//") == std::string_view::npos;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<BackupFile> decode_file(const Json& json) {
  const Json* path = json.is_object() ? find_member(json, "path") : nullptr;
  const Json* bytes = json.is_object() ? find_member(json, "bytes") : nullptr;
  const Json* sha256 = json.is_object() ? find_member(json, "sha256") : nullptr;
  if (!path || !path->is_string() || !bytes || !bytes->is_number_unsigned() || !sha256 ||
      !sha256->is_string())
    return unreadable("has a file without path, bytes or sha256");
  BackupFile file{path->get<std::string>(), bytes->get<std::uint64_t>(), sha256->get<std::string>()};
  if (!is_backup_path(file.path)) return unreadable("names a file outside of the backup");
  if (!is_sha256(file.sha256)) return unreadable("has a sha256 that is none");
  return file;
}

}  // namespace

std::uint64_t BackupManifest::bytes() const {
  std::uint64_t sum = 0;
  for (const BackupFile& file : files) sum += file.bytes;
  return sum;
}

std::string encode_manifest(const BackupManifest& manifest) {
  Json files = Json::array();
  for (const BackupFile& file : manifest.files)
    files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  Json json{{"kind", kKind},
            {"format", BackupManifest::kFormat},
            {"version", manifest.version},
            {"created", to_iso_time(manifest.created)},
            {"storeFormat", manifest.store_format},
            {"telemetryPartitions", manifest.partitions},
            {"hubId", manifest.hub_id},
            {"hostNames", manifest.host_names},
            {"bytes", manifest.bytes()},
            {"files", std::move(files)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<BackupManifest> decode_manifest(std::string_view text) {
  const Result<Json> json = parse_json(text);
  if (!json || !json->is_object()) return unreadable("is not JSON");
  const auto text_of = [&](const char* name, std::string& into) {
    const Json* member = find_member(*json, name);
    if (!member || !member->is_string()) return false;
    into = member->get<std::string>();
    return true;
  };
  const auto number_of = [&](const char* name, std::uint32_t& into) {
    const Json* member = find_member(*json, name);
    if (!member || !member->is_number_unsigned() || member->get<std::uint64_t>() > UINT32_MAX) return false;
    into = member->get<std::uint32_t>();
    return true;
  };
  std::string kind, created;
  std::uint32_t format = 0;
  if (!text_of("kind", kind) || kind != kKind || !number_of("format", format))
    return unreadable("is not one of a backup of Kyanite");
  if (format > BackupManifest::kFormat) {
    return unreadable("has format " + std::to_string(format) +
                      ", made by a newer program; this one reads up to " +
                      std::to_string(BackupManifest::kFormat));
  }
  BackupManifest out;
  if (!text_of("version", out.version) || !text_of("created", created) || !text_of("hubId", out.hub_id) ||
      !number_of("storeFormat", out.store_format) || !number_of("telemetryPartitions", out.partitions)) {
    return unreadable("lacks version, created, hubId, storeFormat or telemetryPartitions");
  }
  out.created = parse_iso_time(created).value_or(WallTime{});
  if (const Json* names = find_member(*json, "hostNames"); names && names->is_array()) {
    for (const Json& name : *names) {
      if (name.is_string()) out.host_names.push_back(name.get<std::string>());
    }
  }
  const Json* files = find_member(*json, "files");
  if (!files || !files->is_array()) return unreadable("has no list of files");
  std::set<std::string> seen;
  for (const Json& item : *files) {
    Result<BackupFile> file = decode_file(item);
    if (!file) return file.error();
    if (!seen.insert(file->path).second) return unreadable("names a file twice");
    out.files.push_back(std::move(*file));
  }
  return out;
}

Result<BackupManifest> read_manifest(const std::filesystem::path& backup) {
  const Result<std::string> text = read_file(backup / BackupManifest::kFileName, kManifestBytesMax);
  if (!text) return Error(Errc::io_failed, backup.string() + " is no backup: " + text.error().detail);
  Result<BackupManifest> manifest = decode_manifest(*text);
  if (!manifest) return Error(Errc::format_error, backup.string() + ": " + manifest.error().detail);
  return manifest;
}

bool is_backup_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= limits::kPolicyNameBytesMax && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_plain);
}

}  // namespace kyanite
