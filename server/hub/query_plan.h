#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/query/query_aggregation.h"
#include "server/hub/query_text_filter.h"
#include "server/hub/twin_row.h"
#include "storage/twin_scan.h"

namespace kyanite {

// QueryPlan is a query over twins, taken apart by where each part is cheapest: what committed state decides
// is decided while the store is scanned, with no more of each twin than that takes; what only owners know is
// decided afterwards, for the rows that are left.
//
// Owner: shared by those who run the query, never changed.
class QueryPlan {
 public:
  // `sink_parts`: what a sink looks at beside what the query names.
  explicit QueryPlan(Query query, bool has_sink = false, const TwinParts& sink_parts = {});
  QueryPlan(const QueryPlan&) = delete;
  QueryPlan& operator=(const QueryPlan&) = delete;

  const Query& query() const { return query_; }
  // What the conditions of the scan look at.
  const TwinParts& scanned_parts() const { return scanned_parts_; }
  // What a row needs beside that: the other conditions and SELECT.
  const TwinParts& row_parts() const { return row_parts_; }
  bool needs_live() const { return row_parts_.needs_live(); }
  bool has_late_conditions() const { return !late_.empty(); }
  // The scan shows its sink what it finds; there are no rows.
  bool adds_up_in_scan() const { return has_sink_ && !needs_live(); }

  // Conditions of the scan that the texts of a twin may rule out.
  const std::vector<QueryTextFilter>& text_filters() const { return text_filters_; }
  bool passes_scan(const Json& row) const;
  bool passes_late(const Json& row) const;

 private:
  void sort_conditions();

  const Query query_;
  const bool has_sink_;
  std::vector<const QueryExpression*> early_;
  std::vector<const QueryExpression*> late_;
  std::vector<QueryTextFilter> text_filters_;
  TwinParts scanned_parts_;
  TwinParts row_parts_;
};

// A row on its way to the result.
struct QueryRow {
  Identity id;
  Json row;
  std::size_t bytes = 0;  // read for it
  std::string position;   // where it stands among rows that are no identities
};

// What a scan does for a query; see IdentityVisitor for its threads.
//
// Bound: as many rows as it was asked for, or as many as hold limits::kQueryPageBytes.
class QueryVisitor final : public IdentityVisitor {
 public:
  // `sink` is set when the plan adds up in the scan; it comes back with the visitor.
  QueryVisitor(std::shared_ptr<const QueryPlan> plan, std::size_t rows_max, std::unique_ptr<RowSink> sink);

  bool visit(ScannedIdentity& identity) override;

  std::vector<QueryRow> rows;
  std::unique_ptr<RowSink> sink;
  std::optional<Error> error;

 private:
  struct Decoded;
  Result<void> look_at(ScannedIdentity& identity);
  static Result<void> read_twin(const TwinParts& parts, ScannedIdentity& identity, Decoded& decoded);
  static Result<Json> build(const TwinParts& parts, ScannedIdentity& identity, Decoded& decoded);

  std::shared_ptr<const QueryPlan> plan_;
  std::size_t rows_max_;
  std::size_t bytes_ = 0;
};

}  // namespace kyanite
