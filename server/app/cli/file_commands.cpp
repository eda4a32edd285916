#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"
#include "server/app/cli/terminal_text.h"

// Files that devices uploaded (service-rest.md 9.7), as the hub keeps them.
namespace kyanite::cli {
namespace {

constexpr std::size_t kFilePieceBytes = 4 * 1024 * 1024;

struct FileListOptions {
  std::shared_ptr<HubOptions> hub;
  std::string device;
  bool json = false;
};

struct FileGetOptions {
  std::shared_ptr<HubOptions> hub;
  std::string name;
  std::string output;
};

std::string files_path(const std::string& device, const std::string& after, std::size_t limit,
                       const std::string& access = {}) {
  std::string path = "/kyanite/v1/files?limit=" + std::to_string(limit);
  if (!access.empty()) path += "&access=" + access;
  if (!device.empty()) path += "&device=" + percent_encode(device);
  if (!after.empty()) path += "&after=" + percent_encode(after);
  return path;
}

int list_kept_files(const FileListOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  constexpr std::size_t kPage = 1000;
  std::string after;
  for (;;) {
    const auto page = hub.ask_json("GET", files_path(options.device, after, kPage));
    if (!page) return fail(page.error().detail);
    for (const Json& file : *page) {
      after = text_member(file, "blobName");
      if (options.json) {
        std::printf("%s\n", dump_printable(file).c_str());
        continue;
      }
      const Json* size = find_member(file, "size");
      std::printf("%12s  %s  %s\n", size ? dump_json(*size).c_str() : "",
                  text_member(file, "lastModified").c_str(), printable(after).c_str());
    }
    if (page->size() < kPage) return kDone;
  }
}

std::size_t path_in(const std::string& url) { return url.find('/', std::string_view("https://").size()); }

// The first part of a name is its device's id.
Result<Json> find_file(RestClient& hub, const std::string& name, const std::string& access) {
  const std::string device = name.substr(0, name.find('/'));
  std::string after;
  for (;;) {
    auto page = hub.ask_json("GET", files_path(device, after, 1000, access));
    if (!page) return page;
    if (page->empty()) return Error(Errc::not_found, "the hub keeps no file " + name);
    for (const Json& file : *page) {
      after = text_member(file, "blobName");
      if (after == name) return file;
    }
  }
}

int get_kept_file(const FileGetOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  const auto file = find_file(hub, options.name, "r");
  if (!file) return fail(file.error().detail);
  const std::string url = text_member(*file, "url");
  const std::size_t path = path_in(url);
  const Json* size = find_member(*file, "size");
  if (path == std::string::npos || !size || !size->is_number_unsigned())
    return fail("the hub's list cannot be read");
  std::FILE* out = options.output == "-" ? stdout : std::fopen(options.output.c_str(), "wb");
  if (!out) return fail("cannot write " + options.output);
  const auto close = [&] { return out == stdout ? std::fflush(out) : std::fclose(out); };
  for (std::uint64_t first = 0, bytes = size->get<std::uint64_t>(); first < bytes; first += kFilePieceBytes) {
    const std::string range = std::to_string(first) + "-" + std::to_string(first + kFilePieceBytes - 1);
    const auto answer = hub.ask("GET", url.substr(path), {}, {"Range: bytes=" + range});
    if (!answer || answer->status != 206) {
      close();
      return fail(answer ? "the hub answered " + std::to_string(answer->status) : answer.error().detail);
    }
    if (std::fwrite(answer->body.data(), 1, answer->body.size(), out) != answer->body.size()) {
      close();
      return fail("cannot write " + options.output);
    }
  }
  return close() == 0 ? kDone : fail("cannot write " + options.output);
}

int delete_kept_file(const FileGetOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  const auto file = find_file(hub, options.name, "d");
  if (!file) return fail(file.error().detail);
  const std::string url = text_member(*file, "url");
  if (path_in(url) == std::string::npos) return fail("the hub's list cannot be read");
  const auto answer =
      hub.ask("DELETE", url.substr(path_in(url)), {}, {"If-Match: " + text_member(*file, "etag")});
  if (!answer) return fail(answer.error().detail);
  return answer->status == 202 ? kDone : fail("the hub answered " + std::to_string(answer->status));
}

}  // namespace

void add_file_commands(CLI::App& app, int& exit_code) {
  CLI::App* files = app.add_subcommand("file", "files that devices uploaded");
  files->require_subcommand(1);

  auto listing = std::make_shared<FileListOptions>();
  CLI::App* list_command = files->add_subcommand("list", "show the files that the hub keeps");
  listing->hub = add_hub_options(*list_command);
  list_command->add_option("--device", listing->device, "only files of this device");
  list_command->add_flag("--json", listing->json, "print one JSON object a line");
  list_command->callback([listing, &exit_code] { exit_code = list_kept_files(*listing); });

  auto getting = std::make_shared<FileGetOptions>();
  CLI::App* get_command = files->add_subcommand("get", "copy a file from the hub");
  getting->hub = add_hub_options(*get_command);
  get_command->add_option("NAME", getting->name, "as `file list` shows it")->required();
  get_command->add_option("-o,--output", getting->output, "file to write, - for standard output")->required();
  get_command->callback([getting, &exit_code] { exit_code = get_kept_file(*getting); });

  auto deleting = std::make_shared<FileGetOptions>();
  CLI::App* delete_command = files->add_subcommand("delete", "delete a file from the hub");
  deleting->hub = add_hub_options(*delete_command);
  delete_command->add_option("NAME", deleting->name, "as `file list` shows it")->required();
  delete_command->callback([deleting, &exit_code] { exit_code = delete_kept_file(*deleting); });
}

}  // namespace kyanite::cli
