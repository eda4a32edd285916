#include "server/api/configuration_transfer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "protocol/base/error_catalog.h"
#include "protocol/base/json_text.h"
#include "protocol/base/limits.h"
#include "server/api/api_response.h"
#include "server/api/bulk_item.h"
#include "server/api/configuration_item.h"
#include "server/api/registry_import.h"
#include "server/hub/configuration_service.h"

namespace kyanite {
namespace {

struct ConfigurationImport : std::enable_shared_from_this<ConfigurationImport> {
  ConfigurationImport(Executor& h, ConfigurationService& c, std::shared_ptr<BlobInput> i,
                      std::shared_ptr<const bool> x, Reply<std::string> r)
      : home(h), configurations(c), input(std::move(i)), cancelled(std::move(x)), reply(std::move(r)) {}

  Executor& home;
  ConfigurationService& configurations;
  std::shared_ptr<BlobInput> input;
  std::shared_ptr<const bool> cancelled;
  Reply<std::string> reply;
  std::string text;
  bool at_end = false;
  std::string error_lines;
  std::size_t errors = 0;

  void work() {
    for (;;) {
      if (*cancelled) return reply(Error(Errc::shutting_down, "the import was cancelled"));
      if (errors >= kConfigurationErrorsMax) return reply(std::move(error_lines));
      const std::size_t end = text.find('\n');
      if (end == std::string::npos && !at_end) {
        if (text.size() <= kImportLineBytesMax) return read();
        return reply(Error(Errc::format_error, "a line of the configurations is too long"));
      }
      if (end == std::string::npos && text.empty()) return reply(std::move(error_lines));
      const std::string line = text.substr(0, end);
      text.erase(0, end == std::string::npos ? end : end + 1);
      if (take(line)) return;
    }
  }

  void read() {
    input->read(Reply<std::string>(home, [self = shared_from_this()](const Result<std::string>& piece) {
      if (!piece) return self->reply(piece.error());
      self->at_end = piece->empty();
      self->text += *piece;
      self->work();
    }));
  }

  // Whether something is under way, that goes on with work().
  bool take(std::string_view line) {
    line = without_byte_order_mark(line);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return false;
    const Result<Json> json = parse_json(line, limits::kJsonDepthMax, HugeIntegers::refused);
    if (!json) return note({}, json.error());
    if (!json->is_object()) return note({}, Error(Errc::format_error, "a line is a JSON object"));
    Result<ConfigurationItem> item = parse_configuration_item(*json, line);
    if (!item) {
      const Json* id = find_member(*json, "id");
      return note(id != nullptr && id->is_string() ? id->get<std::string>() : std::string(), item.error());
    }
    std::string id = item->wanted.id;
    apply_configuration_item(
        home, configurations, std::move(*item),
        Reply<ConfigurationOutcome>(home, [self = shared_from_this(),
                                           id = std::move(id)](const Result<ConfigurationOutcome>& outcome) {
          if (!outcome) self->note(id, outcome.error());
          self->work();
        }));
    return true;
  }

  bool note(const std::string& id, const Error& error) {
    ++errors;
    error_lines += dump_json(Json{
        {"id", id}, {"errorCode", error_row(error.code).number}, {"errorStatus", error_sentence(error)}});
    error_lines += '\n';
    return false;
  }
};

}  // namespace

void export_configurations(Executor& home, ConfigurationService& configurations,
                           std::shared_ptr<BlobOutput> output, Reply<void> reply) {
  configurations.records(Reply<std::vector<ConfigurationRecord>>(
      home, [&home, output = std::move(output),
             reply = std::move(reply)](const Result<std::vector<ConfigurationRecord>>& records) mutable {
        if (!records) return reply(records.error());
        std::string lines;
        for (const ConfigurationRecord& record : *records) {
          lines += dump_json(configuration_item_to_json(record)) + "\n";
        }
        BlobOutput& to = *output;
        to.append(std::move(lines), Reply<void>(home, [output = std::move(output), reply = std::move(reply)](
                                                          const Result<void>& appended) mutable {
                    if (!appended) return reply(appended.error());
                    output->finish(std::move(reply));
                  }));
      }));
}

void import_configurations(Executor& home, ConfigurationService& configurations,
                           std::shared_ptr<BlobInput> input, std::shared_ptr<const bool> cancelled,
                           Reply<std::string> reply) {
  std::make_shared<ConfigurationImport>(home, configurations, std::move(input), std::move(cancelled),
                                        std::move(reply))
      ->work();
}

}  // namespace kyanite
