#include "server/hub/query_plan.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/query/query_evaluator.h"

namespace kyanite {
namespace {

constexpr std::size_t kSmallRowBytes = 512;

void add_paths(const QueryExpression& expression, TwinParts& parts) {
  for (const QueryPath* path : paths_of(expression)) parts.add(*path);
}

bool is_live(const QueryExpression& expression) {
  TwinParts parts;
  add_paths(expression, parts);
  return parts.needs_live();
}

bool all_match(const std::vector<const QueryExpression*>& conditions, const Json& row) {
  return std::all_of(conditions.begin(), conditions.end(),
                     [&row](const QueryExpression* condition) { return matches(*condition, row); });
}

}  // namespace

QueryPlan::QueryPlan(Query query, bool has_sink, const TwinParts& sink_parts)
    : query_(std::move(query)), has_sink_(has_sink), row_parts_(sink_parts) {
  sort_conditions();
  for (const QueryExpression* condition : early_) {
    add_paths(*condition, scanned_parts_);
    if (auto filter = QueryTextFilter::of(*condition)) text_filters_.push_back(std::move(*filter));
  }
  if (query_.selects_everything() && !has_sink_) row_parts_ = TwinParts::whole();
  for (const QueryExpression* condition : late_) add_paths(*condition, row_parts_);
  for (const QueryItem& item : query_.items) {
    if (item.expression) add_paths(*item.expression, row_parts_);
  }
  for (const QueryPath& path : query_.group_by) row_parts_.add(path);
}

// The operands of an AND at the top are conditions of their own.
void QueryPlan::sort_conditions() {
  if (!query_.condition) return;
  const auto sort = [this](const QueryExpression& condition) {
    (is_live(condition) ? late_ : early_).push_back(&condition);
  };
  if (query_.condition->op != QueryOperator::all_of) return sort(*query_.condition);
  for (const QueryExpression& operand : query_.condition->operands) sort(operand);
}

bool QueryPlan::passes_scan(const Json& row) const { return all_match(early_, row); }
bool QueryPlan::passes_late(const Json& row) const { return all_match(late_, row); }

// What was decoded of one identity, so that the conditions and the row do not both do it.
struct QueryVisitor::Decoded {
  IdentityView view;
  bool has_record = false;
  std::optional<TwinRecord> twin;
  TwinParts twin_parts;  // that the twin was decoded with

  bool covers(const TwinParts& parts) const {
    return twin && (twin_parts.tags || !parts.tags) && (twin_parts.desired || !parts.desired) &&
           (twin_parts.reported || !parts.reported) && (twin_parts.metadata || !parts.metadata) &&
           (twin_parts.metadata || twin_parts.configurations || !parts.configurations);
  }
};

QueryVisitor::QueryVisitor(std::shared_ptr<const QueryPlan> plan, std::size_t rows_max,
                           std::unique_ptr<RowSink> looking)
    : sink(std::move(looking)), plan_(std::move(plan)), rows_max_(rows_max) {}

bool QueryVisitor::visit(ScannedIdentity& identity) {
  if (const Result<void> looked = look_at(identity); !looked) {
    error = looked.error();
    return false;
  }
  return rows.size() < rows_max_ && bytes_ <= limits::kQueryPageBytes;
}

Result<void> QueryVisitor::look_at(ScannedIdentity& identity) {
  Decoded decoded;
  decoded.view.record.id = identity.id();
  if (plan_->query().condition) {
    if (!plan_->text_filters().empty()) {
      const Result<void> read = read_twin(plan_->scanned_parts(), identity, decoded);
      if (!read) return read.error();
      for (const QueryTextFilter& filter : plan_->text_filters()) {
        if (!filter.may_match(*decoded.twin)) return {};
      }
    }
    const Result<Json> seen = build(plan_->scanned_parts(), identity, decoded);
    if (!seen) return seen.error();
    if (!plan_->passes_scan(*seen)) return {};
  }
  Result<Json> row = build(plan_->row_parts(), identity, decoded);
  if (!row) return row.error();
  if (sink) return sink->add(*row);
  // Without parts of the document a row is small, whatever was read to choose it.
  const std::size_t bytes = plan_->row_parts().needs_twin() ? identity.bytes() : kSmallRowBytes;
  bytes_ += bytes;
  rows.push_back({identity.id(), std::move(*row), bytes, {}});
  return {};
}

// The twin with these parts at least, if they need it.
Result<void> QueryVisitor::read_twin(const TwinParts& parts, ScannedIdentity& identity, Decoded& decoded) {
  if (!parts.needs_twin() || decoded.covers(parts)) return {};
  decoded.twin_parts = parts;
  const bool rest = parts.metadata || parts.configurations;
  Result<TwinRecord> twin = identity.twin({.tags = parts.tags,
                                           .desired = parts.desired,
                                           .reported = parts.reported,
                                           .metadata = parts.metadata,
                                           .rest = rest});
  if (!twin) return twin.error();
  decoded.twin = std::move(*twin);
  return {};
}

Result<Json> QueryVisitor::build(const TwinParts& parts, ScannedIdentity& identity, Decoded& decoded) {
  if (parts.record && !decoded.has_record) {
    Result<IdentityRecord> record = identity.record();
    if (!record) return record.error();
    decoded.view.record = std::move(*record);
    decoded.has_record = true;
  }
  if (const Result<void> read = read_twin(parts, identity, decoded); !read) return read.error();
  if (parts.messages) {
    const Result<std::uint64_t> messages = identity.c2d_messages();
    if (!messages) return messages.error();
    decoded.view.c2d_messages = *messages;
  }
  static const TwinRecord kNone;
  return twin_row(parts, decoded.view, decoded.twin ? *decoded.twin : kNone);
}

}  // namespace kyanite
