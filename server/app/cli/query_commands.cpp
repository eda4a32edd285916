#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"
#include "server/app/cli/terminal_text.h"
#include "server/app/first_start/files.h"

// query: asks for all pages of a query and prints its rows, a line of JSON each.
namespace kyanite::cli {
namespace {

struct QueryOptions {
  std::shared_ptr<HubOptions> hub;
  std::string text;  // or @FILE
  std::size_t page = 1000;
  std::size_t limit = 0;  // rows; 0: all
  bool json = false;
};

// Prints rows as they come: a line each, or the elements of one array.
class RowPrinter {
 public:
  explicit RowPrinter(bool as_array) : as_array_(as_array) {
    if (as_array_) std::printf("[");
  }
  void print(const Json& row) {
    if (!as_array_) {
      std::printf("%s\n", dump_printable(row).c_str());
    } else {
      std::printf("%s\n%s", rows_ == 0 ? "" : ",", dump_printable(row, 2).c_str());
    }
    ++rows_;
  }
  void end() const {
    if (as_array_) std::printf("%s]\n", rows_ == 0 ? "" : "\n");
  }
  std::size_t rows() const { return rows_; }

 private:
  const bool as_array_;
  std::size_t rows_ = 0;
};

int run_query(const QueryOptions& options, RestClient& hub) {
  std::string text = options.text;
  if (text.starts_with('@')) {
    auto content = read_file(text.substr(1));
    if (!content) return fail(content.error().detail);
    text = std::move(*content);
  }
  const std::string body = dump_json(Json{{"query", text}});
  std::optional<RowPrinter> printer;
  std::string continuation;
  for (;;) {
    std::vector<std::string> headers{"x-ms-max-item-count: " + std::to_string(options.page)};
    if (!continuation.empty()) headers.push_back("x-ms-continuation: " + continuation);
    const Result<RestAnswer> answer = hub.ask("POST", "/devices/query", body, headers);
    if (!answer) return fail(answer.error().detail);
    if (answer->status != 200) return fail(describe_refusal(*answer));
    const Result<Json> rows = parse_json(answer->body);
    if (!rows || !rows->is_array()) return fail("the hub answered with something that is no list of rows");
    if (!printer) printer.emplace(options.json);  // an error of the query prints nothing else
    for (const Json& row : *rows) {
      if (options.limit == 0 || printer->rows() < options.limit) printer->print(row);
    }
    continuation = answer->continuation;
    if (continuation.empty() || (options.limit != 0 && printer->rows() >= options.limit)) break;
  }
  printer->end();
  return kDone;
}

}  // namespace

void add_query_command(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("query", "ask for devices, modules or device jobs by a query");
  const auto options = std::make_shared<QueryOptions>();
  options->hub = add_hub_options(*command);
  command->add_option("QUERY", options->text, "as \"SELECT * FROM devices WHERE tags.site = 'x'\", or @FILE")
      ->required();
  command->add_option("--limit", options->limit, "stop after so many rows")->type_name("N");
  command->add_option("--page", options->page, "rows asked for at a time, 1 to 1000")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  command->add_flag("--json", options->json, "print one JSON array instead of a line for each row");
  command->callback([options, &exit_code] {
    auto target = find_hub(*options->hub);
    if (!target) {
      exit_code = fail(target.error().detail);
      return;
    }
    RestClient hub(std::move(*target));
    exit_code = run_query(*options, hub);
  });
}

}  // namespace kyanite::cli
