#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/limits.h"
#include "protocol/base/reply.h"
#include "protocol/query/query.h"
#include "server/hub/device_router.h"
#include "storage/stores.h"

namespace kyanite {

class QueryPlan;
class RowSink;
struct TwinParts;

// What x-ms-item-type says (service-rest.md 6.1).
enum class QueryItemType : std::uint8_t { twin, raw, device_job };

struct QueryRequest {
  std::string text;
  std::optional<std::string> continuation;  // of the page before
  std::size_t rows_max = limits::kQueryPageRowsDefault;
};

struct QueryPage {
  QueryItemType type = QueryItemType::raw;
  std::vector<Json> rows;
  std::optional<std::string> continuation;  // when there are more rows
};

// Identities that a condition is for, in id order.
struct FoundIdentities {
  std::vector<Identity> identities;
  Identity last;        // where the next page begins
  bool at_end = false;  // nothing stands behind them
};

// QueryService is a shard's front of queries (service-rest.md 6): it walks over committed twins, completes
// them with what their owners know to be live, and cuts the result into pages. A page begins behind the last
// identity of the page before, so that no row is seen twice, whatever comes and goes meanwhile. A
// continuation names that place and the query it belongs to; nothing is kept here between pages.
//
// Owner: its shard. Replies run on that shard. Errors: argument_invalid (the query, a foreign or damaged
// continuation, too many groups), busy, timed_out for an aggregate that takes longer than
// limits::kQueryTimeMax, storage_failed. Bound: limits::kQueriesMax under way; one of them at a time uses a
// storage reader, for one turn, so that neither other queries nor other reads wait for a large one.
class QueryService {
 public:
  QueryService(Executor& executor, DeviceRouter& router, Stores& stores);
  ~QueryService();
  QueryService(const QueryService&) = delete;
  QueryService& operator=(const QueryService&) = delete;

  void query(QueryRequest request, Reply<QueryPage> reply);
  // Devices or modules that the condition is for, behind `after`. A page may hold fewer than `limit`, or
  // none, without being the last.
  void find(QueryCondition condition, Identity after, std::size_t limit, Reply<FoundIdentities> reply);
  // Shows the sink each twin of all devices or of all modules, with no more parts of it than these, and gives
  // it back.
  void look_at_all(QuerySource source, const TwinParts& parts, std::unique_ptr<RowSink> sink,
                   Reply<std::unique_ptr<RowSink>> reply);

 private:
  struct Run;
  using RunPtr = std::shared_ptr<Run>;

  void start(RunPtr run);
  void next_turn(RunPtr run);
  void pump();
  void scan(const RunPtr& run);
  void on_scanned(const RunPtr& run, Result<IdentityScanned> scanned);
  void scan_jobs(const RunPtr& run);
  void judge(const RunPtr& run);
  void finish_turn(const RunPtr& run, bool at_end);
  void finish(const RunPtr& run, bool more);
  void fail(const RunPtr& run, const Error& error);

  Executor& executor_;
  DeviceRouter& router_;
  TwinStore& twins_;
  DocumentStore& documents_;  // with the outcomes of jobs
  std::deque<RunPtr> ready_;  // for a turn of the storage readers
  bool scanning_ = false;
  std::size_t under_way_ = 0;
};

// The token of service-rest.md 6.1: where a page ended, of which query, after how many rows.
struct QueryContinuation {
  std::uint64_t query_hash = 0;
  std::uint64_t rows_before = 0;
  std::string position;
};
std::string encode_continuation(const QueryContinuation& continuation);
// Errors: Errc::argument_invalid for what is no token, and for one of another query.
Result<QueryContinuation> decode_continuation(std::string_view token, std::uint64_t query_hash);

}  // namespace kyanite
