#include "server/api/seed_file.h"

#include <algorithm>
#include <map>
#include <utility>

#include "protocol/base/json_text.h"
#include "server/api/bulk_item.h"

namespace kyanite {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// Lines of ever later places in a text.
class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}
  std::size_t line_of(std::size_t at) {
    at = std::min(at, text_.size());
    line_ += static_cast<std::size_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(seen_),
                                                 text_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    seen_ = at;
    return line_;
  }
  std::size_t line_of(std::string_view part) {
    return line_of(static_cast<std::size_t>(part.data() - text_.data()));
  }

 private:
  std::string_view text_;
  std::size_t seen_ = 0;
  std::size_t line_ = 1;
};

class SeedReader {
 public:
  explicit SeedReader(std::string_view text) : text_(without_byte_order_mark(text)), lines_(text_) {}

  SeedFile read() {
    const std::size_t begin = text_.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return std::move(file_);
    if (text_[begin] == '[') {
      read_array();
    } else if (!find_json_fault(text_)) {
      read_item(text_.substr(begin), lines_.line_of(begin));  // one item over several lines
    } else {
      read_lines();
    }
    std::stable_partition(file_.items.begin(), file_.items.end(),
                          [](const SeedItem& seed) { return !seed.item.wanted.id.is_module(); });
    if (more_ > 0) {
      file_.problems.push_back({"", "and " + std::to_string(more_) + " more problems of the same file", ""});
    }
    return std::move(file_);
  }

 private:
  void complain(std::size_t line, std::string what, std::string remedy) {
    if (file_.problems.size() >= kSeedProblemsMax) {
      ++more_;
      return;
    }
    file_.problems.push_back({seed_line(line), std::move(what), std::move(remedy)});
  }

  void read_array() {
    const Result<std::vector<std::string_view>> elements = split_json_array(text_);
    if (!elements) {
      const std::size_t at = find_json_fault(text_).value_or(0);
      return complain(lines_.line_of(at), "is where the file stops being JSON",
                      "look for a missing comma, quote or bracket there or just before");
    }
    for (const std::string_view element : *elements) read_item(element, lines_.line_of(element));
  }

  void read_lines() {
    std::size_t line = 1;
    for (std::size_t from = 0; from < text_.size(); ++line) {
      const std::size_t end = std::min(text_.find('\n', from), text_.size());
      const std::string_view text = text_.substr(from, end - from);
      if (text.find_first_not_of(kBlanks) != std::string_view::npos) read_item(text, line);
      from = end + 1;
    }
  }

  void read_item(std::string_view text, std::size_t line) {
    Result<Json> json = parse_json(text, limits::kJsonDepthMax, HugeIntegers::refused);
    if (!json) {
      return complain(line, "is no item: " + json.error().detail,
                      "write one JSON object a line, or all of them in one array");
    }
    if (is_configuration_item(*json)) return read_configuration(*json, text, line);
    Result<RegistryItem> item = parse_registry_item(std::move(*json));
    if (!item) return complain(line, "is no item: " + item.error().detail, "");
    const std::string name = "of " + item_name(item->wanted.id);
    if (item->fault) return complain(line, name + ": " + item->fault->detail, "");
    if (item->mode != ImportMode::create && item->mode != ImportMode::create_or_update) {
      return complain(line, name + " has the importMode " + std::string(to_text(item->mode)),
                      "leave it out, or write create for what is only made when it is missing");
    }
    if (const auto [first, is_new] = listed_.emplace(item->wanted.id, line); !is_new) {
      return complain(line, name + " is listed already in line " + std::to_string(first->second),
                      "leave one of the two out");
    }
    file_.items.push_back({line, std::move(*item)});
  }

  void read_configuration(const Json& json, std::string_view text, std::size_t line) {
    Result<ConfigurationItem> item = parse_configuration_item(json, text);
    if (!item) return complain(line, "is no configuration: " + item.error().detail, "");
    const std::string& id = item->wanted.id;
    if (const auto [first, is_new] = listed_configurations_.emplace(id, line); !is_new) {
      return complain(
          line, "of configuration " + id + " is listed already in line " + std::to_string(first->second),
          "leave one of the two out");
    }
    file_.configurations.push_back({line, std::move(*item)});
  }

  static std::string item_name(const Identity& id) {
    return id.is_module() ? id.device + "/" + id.module : id.device;
  }

  std::string_view text_;
  LineCounter lines_;
  SeedFile file_;
  std::map<Identity, std::size_t> listed_;
  std::map<std::string, std::size_t> listed_configurations_;
  std::size_t more_ = 0;
};

}  // namespace

std::string seed_line(std::size_t line) { return "line " + std::to_string(line); }

SeedFile parse_seed_file(std::string_view text) { return SeedReader(text).read(); }

}  // namespace kyanite
