#include "server/hub/query_text_filter.h"

#include <algorithm>
#include <utility>

namespace kyanite {
namespace {

const std::string* step_name(const QueryPath& path, std::size_t place) {
  return place < path.steps.size() ? std::get_if<std::string>(&path.steps[place]) : nullptr;
}

// The section whose values the path leads to; nullptr for anything else, $version and $metadata too.
std::string TwinRecord::*section_of(const QueryPath& path) {
  const std::string* root = step_name(path, 0);
  if (root == nullptr || path.steps.size() < 2) return nullptr;
  if (*root == "tags") return &TwinRecord::tags;
  const std::string* section = step_name(path, 1);
  const std::string* first = step_name(path, 2);
  if (*root != "properties" || section == nullptr || first == nullptr || first->starts_with('$')) {
    return nullptr;
  }
  if (*section == "desired") return &TwinRecord::desired;
  return *section == "reported" ? &TwinRecord::reported : nullptr;
}

}  // namespace

std::optional<QueryTextFilter> QueryTextFilter::of(const QueryExpression& condition) {
  if (condition.op != QueryOperator::equal && condition.op != QueryOperator::in) return std::nullopt;
  const QueryExpression* path = &condition.operands[0];
  const QueryExpression* constant = &condition.operands[1];
  if (path->op == QueryOperator::constant) std::swap(path, constant);
  if (path->op != QueryOperator::path || constant->op != QueryOperator::constant) return std::nullopt;
  std::string TwinRecord::*const section = section_of(path->path);
  if (section == nullptr) return std::nullopt;
  QueryTextFilter filter(section);
  if (condition.op == QueryOperator::equal) {
    return filter.add(constant->constant) ? std::optional(std::move(filter)) : std::nullopt;
  }
  for (const Json& item : constant->constant) {
    if (!filter.add(item)) return std::nullopt;
  }
  return filter;
}

bool QueryTextFilter::add(const Json& constant) {
  if (!constant.is_string()) return false;
  std::string text = dump_json(constant);
  if (text.find('\\') != std::string::npos) return false;  // it may be written in several ways
  any_of_.push_back(std::move(text));
  return true;
}

bool QueryTextFilter::may_match(const TwinRecord& twin) const {
  const std::string& text = twin.*section_;
  const bool found = std::any_of(any_of_.begin(), any_of_.end(), [&text](const std::string& wanted) {
    return text.find(wanted) != std::string::npos;
  });
  // With an escape in it the text may say the same in other letters.
  return found || text.find('\\') != std::string::npos;
}

}  // namespace kyanite
