#include "server/hub/query_service.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/base/base64.h"
#include "protocol/base/hash.h"
#include "protocol/base/limits.h"
#include "protocol/query/query_evaluator.h"
#include "server/hub/job_record.h"
#include "server/hub/live_states.h"
#include "server/hub/query_plan.h"

namespace kyanite {
namespace {

// A turn that asks owners: so many rows at once are no burden to a shard.
constexpr std::size_t kLiveRowsMax = 500;
constexpr milliseconds kSlice{2};  // of a shard's time, for judging rows
constexpr seconds kPageTime{10};   // then a page ends with what it has

QueryItemType item_type_of(const Query& query) {
  if (query.source == QuerySource::device_jobs) return QueryItemType::device_job;
  return query.selects_everything() ? QueryItemType::twin : QueryItemType::raw;
}

std::string position_of(const Identity& id) { return id.device + '\0' + id.module; }

Identity identity_at(const std::string& position) {
  const std::size_t end = std::min(position.find('\0'), position.size());
  return {position.substr(0, end), position.substr(std::min(end + 1, position.size()))};
}

Error bad_continuation() {
  return Error(Errc::argument_invalid, "x-ms-continuation is not the continuation of a page of this query");
}

std::string_view take_field(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return field;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

// The job whose rows alone can pass: WHERE names it by itself or beside other conditions.
std::optional<std::string> job_named_by(const Query& query) {
  if (!query.condition) return std::nullopt;
  const auto named = [](const QueryExpression& condition) -> std::optional<std::string> {
    if (condition.op != QueryOperator::equal) return std::nullopt;
    const QueryExpression& left = condition.operands[0];
    const QueryExpression& right = condition.operands[1];
    const bool is_job =
        left.op == QueryOperator::path && left.path.steps == std::vector<QueryPath::Step>{"jobId"};
    if (!is_job || right.op != QueryOperator::constant || !right.constant.is_string()) return std::nullopt;
    return right.constant.get<std::string>();
  };
  if (query.condition->op != QueryOperator::all_of) return named(*query.condition);
  for (const QueryExpression& operand : query.condition->operands) {
    if (auto job = named(operand)) return job;
  }
  return std::nullopt;
}

}  // namespace

// A page on its way, or a look at all. Lives on its shard; the plan and the sink travel with the scans.
struct QueryService::Run {
  std::shared_ptr<const QueryPlan> plan;
  std::unique_ptr<RowSink> sink;  // instead of rows
  std::uint64_t hash = 0;
  std::uint64_t rows_before = 0;  // in pages before, for TOP
  std::size_t wanted = 0;         // rows of this page
  bool ends_by_top = false;       // with that many rows the result is complete
  std::string scanned;            // where the next turn begins
  std::string page_end;           // position of the last row, or of the group
  SteadyTime began;

  std::vector<QueryRow> incoming;  // of this turn
  std::size_t judged = 0;          // so many of them
  bool at_end = false;             // there are no more behind them

  std::vector<Json> rows;
  std::vector<Identity> identities;  // of the rows, for find()
  std::size_t bytes = 0;
  bool is_full = false;  // a further row was seen

  UniqueFunction<void(Result<void>, Run&, bool more)> done;

  // What the scan did not decide.
  bool passes(const Json& row) const {
    const bool is_job = plan->query().source == QuerySource::device_jobs;
    return is_job ? matches(plan->query(), row) : plan->passes_late(row);
  }
  // Takes a row that passed everything, or notes that there is one more.
  void take(QueryRow row) {
    if (rows.size() >= wanted || (!rows.empty() && bytes + row.bytes > limits::kQueryPageBytes)) {
      is_full = true;
      return;
    }
    bytes += row.bytes;
    rows.push_back(plan->query().selects_everything() ? std::move(row.row) : project(plan->query(), row.row));
    page_end = row.position.empty() ? position_of(row.id) : std::move(row.position);
    identities.push_back(std::move(row.id));
  }
  bool is_complete() const { return ends_by_top && rows.size() >= wanted; }
};

QueryService::QueryService(Executor& executor, DeviceRouter& router, Stores& stores)
    : executor_(executor), router_(router), twins_(stores.twins()), documents_(stores.documents()) {}

QueryService::~QueryService() = default;

void QueryService::query(QueryRequest request, Reply<QueryPage> reply) {
  Result<Query> parsed = parse_query(request.text);
  if (!parsed) return reply(parsed.error());
  auto run = std::make_shared<Run>();
  run->hash = stable_hash(request.text);
  if (request.continuation) {
    Result<QueryContinuation> continuation = decode_continuation(*request.continuation, run->hash);
    if (!continuation) return reply(continuation.error());
    run->rows_before = continuation->rows_before;
    run->page_end = run->scanned = std::move(continuation->position);
  }
  run->wanted = std::clamp<std::size_t>(request.rows_max, 1, limits::kQueryPageRowsMax);
  if (parsed->top) {
    const std::uint64_t left = *parsed->top - std::min(*parsed->top, run->rows_before);
    if (left == 0) return reply(bad_continuation());
    run->ends_by_top = left <= run->wanted;
    run->wanted = std::min<std::uint64_t>(run->wanted, left);
  }
  const QueryItemType type = item_type_of(*parsed);
  const bool aggregates = parsed->aggregates();
  run->plan = std::make_shared<QueryPlan>(std::move(*parsed), aggregates);
  if (aggregates) {
    run->sink = std::make_unique<QueryAggregation>(run->plan->query());
    run->scanned.clear();  // everything is added up again; the continuation is the place among the groups
  }
  run->done = [type, reply = std::move(reply)](Result<void> result, Run& self, bool more) mutable {
    if (!result) return reply(result.error());
    QueryPage page{type, std::move(self.rows), std::nullopt};
    if (more)
      page.continuation =
          encode_continuation({self.hash, self.rows_before + page.rows.size(), self.page_end});
    reply(std::move(page));
  };
  start(std::move(run));
}

void QueryService::find(QueryCondition condition, Identity after, std::size_t limit,
                        Reply<FoundIdentities> reply) {
  Query query;
  query.source = condition.source;
  query.condition = std::move(condition.expression);
  QueryItem id;
  id.name = "deviceId";
  id.expression.emplace().op = QueryOperator::path;
  id.expression->path.steps.emplace_back("deviceId");
  query.items.push_back(std::move(id));
  auto run = std::make_shared<Run>();
  run->wanted = std::clamp<std::size_t>(limit, 1, limits::kQueryPageRowsMax);
  run->page_end = run->scanned = position_of(after);
  run->plan = std::make_shared<QueryPlan>(std::move(query));
  run->done = [reply = std::move(reply)](Result<void> result, Run& self, bool more) mutable {
    if (!result) return reply(result.error());
    reply(FoundIdentities{std::move(self.identities), identity_at(self.page_end), !more});
  };
  start(std::move(run));
}

void QueryService::look_at_all(QuerySource source, const TwinParts& parts, std::unique_ptr<RowSink> sink,
                               Reply<std::unique_ptr<RowSink>> reply) {
  Query query;
  query.source = source;
  auto run = std::make_shared<Run>();
  run->plan = std::make_shared<QueryPlan>(std::move(query), true, parts);
  run->sink = std::move(sink);
  run->done = [reply = std::move(reply)](Result<void> result, Run& self, bool) mutable {
    if (!result) return reply(result.error());
    reply(std::move(self.sink));
  };
  start(std::move(run));
}

void QueryService::start(RunPtr run) {
  if (under_way_ >= limits::kQueriesMax) {
    return run->done(Error(Errc::busy, "too many queries are under way"), *run, false);
  }
  ++under_way_;
  run->began = executor_.now();
  if (run->plan->query().source == QuerySource::device_jobs) return scan_jobs(run);
  next_turn(std::move(run));
}

void QueryService::next_turn(RunPtr run) {
  ready_.push_back(std::move(run));
  pump();
}

void QueryService::pump() {
  if (scanning_ || ready_.empty()) return;
  const RunPtr run = std::move(ready_.front());
  ready_.pop_front();
  scanning_ = true;
  scan(run);
}

void QueryService::scan(const RunPtr& run) {
  const QueryPlan& plan = *run->plan;
  // One more than the page holds shows whether there are more.
  std::size_t rows = run->wanted - run->rows.size() + 1;
  if (plan.has_late_conditions() || run->sink) rows = kLiveRowsMax;
  std::unique_ptr<RowSink> sink;
  if (plan.adds_up_in_scan()) sink = std::move(run->sink);
  IdentityScan turn{plan.query().source == QuerySource::modules, identity_at(run->scanned),
                    std::make_unique<QueryVisitor>(run->plan, rows, std::move(sink)), limits::kQueryScanRows,
                    limits::kQueryScanBytes};
  twins_.scan(std::move(turn),
              Reply<IdentityScanned>(executor_, [this, run](Result<IdentityScanned> scanned) {
                scanning_ = false;
                on_scanned(run, std::move(scanned));
                pump();
              }));
}

void QueryService::on_scanned(const RunPtr& run, Result<IdentityScanned> scanned) {
  if (!scanned) return fail(run, scanned.error());
  auto& visitor = static_cast<QueryVisitor&>(*scanned->visitor);
  if (visitor.error) return fail(run, *visitor.error);
  run->scanned = position_of(scanned->last);
  if (visitor.sink) run->sink = std::move(visitor.sink);
  run->incoming = std::move(visitor.rows);
  run->at_end = scanned->at_end;
  std::vector<Identity> asked;
  if (run->plan->needs_live()) {
    for (const QueryRow& row : run->incoming) asked.push_back(row.id);
  }
  // Nobody is asked when there is nothing to ask: then this goes on at once.
  ask_live_states(executor_, router_, documents_, std::move(asked),
                  [this, run](std::vector<LiveState> states) {
                    for (std::size_t i = 0; i < states.size(); ++i) {
                      set_live_state(run->plan->row_parts(), states[i], run->incoming[i].row);
                    }
                    judge(run);
                  });
}

// What the scan left open is decided row by row. Conditions may be dear: the shard gets its turn in between.
void QueryService::judge(const RunPtr& run) {
  const SteadyTime began = executor_.now();
  while (run->judged < run->incoming.size() && !run->is_full && !run->is_complete()) {
    QueryRow& row = run->incoming[run->judged++];
    if (!run->passes(row.row)) {
    } else if (!run->sink) {
      run->take(std::move(row));
    } else if (const Result<void> added = run->sink->add(row.row); !added) {
      return fail(run, added.error());
    }
    if (executor_.now() - began > kSlice) return executor_.post([this, run] { judge(run); });
  }
  run->incoming.clear();
  run->judged = 0;
  finish_turn(run, run->at_end);
}

// The rows of devices.jobs are the stored outcomes (6.7), in the order of their keys.
void QueryService::scan_jobs(const RunPtr& run) {
  const std::optional<std::string> job = job_named_by(run->plan->query());
  documents_.scan(
      Collection::job_devices, job ? job_device_prefix(*job) : std::string(), run->scanned, kLiveRowsMax,
      Reply<std::vector<Document>>(executor_, [this, run](Result<std::vector<Document>> outcomes) {
        if (!outcomes) return fail(run, outcomes.error());
        for (Document& outcome : *outcomes) {
          Result<Json> row = decode_job_device(outcome.value);
          if (!row) return fail(run, row.error());
          run->scanned = outcome.key;
          run->incoming.push_back({{}, std::move(*row), outcome.value.size(), std::move(outcome.key)});
        }
        run->at_end = outcomes->empty();
        judge(run);
      }));
}

void QueryService::finish_turn(const RunPtr& run, bool at_end) {
  const auto spent = executor_.now() - run->began;
  if (run->sink) {
    if (at_end) return finish(run, false);
    if (spent > limits::kQueryTimeMax) return fail(run, Error(Errc::timed_out, "the query took too long"));
    return next_turn(run);
  }
  if (run->is_complete() || (at_end && !run->is_full)) return finish(run, false);
  if (run->is_full) return finish(run, true);
  if (spent > kPageTime) {  // whoever asks for the next page goes on here
    run->page_end = run->scanned;
    return finish(run, true);
  }
  if (run->plan->query().source == QuerySource::device_jobs) return scan_jobs(run);
  next_turn(run);
}

void QueryService::finish(const RunPtr& run, bool more) {
  --under_way_;
  if (run->plan->query().aggregates()) {
    auto groups = static_cast<QueryAggregation&>(*run->sink).rows(run->page_end, run->wanted + 1);
    more = groups.size() > run->wanted && !run->ends_by_top;
    if (groups.size() > run->wanted) groups.resize(run->wanted);
    for (QueryAggregation::Row& group : groups) {
      run->page_end = group.key;
      run->rows.push_back(std::move(group.row));
    }
  }
  run->done({}, *run, more);
}

void QueryService::fail(const RunPtr& run, const Error& error) {
  --under_way_;
  run->done(error, *run, false);
}

std::string encode_continuation(const QueryContinuation& continuation) {
  std::string token = encode_base64("1\n" + std::to_string(continuation.query_hash) + "\n" +
                                    std::to_string(continuation.rows_before) + "\n" + continuation.position);
  while (token.ends_with('=')) token.pop_back();
  std::replace(token.begin(), token.end(), '+', '-');
  std::replace(token.begin(), token.end(), '/', '_');
  return token;
}

Result<QueryContinuation> decode_continuation(std::string_view token, std::uint64_t query_hash) {
  std::string text(token);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  const std::optional<std::string> bytes = decode_base64(text);
  if (!bytes) return bad_continuation();
  std::string_view rest = *bytes;
  if (take_field(rest) != "1") return bad_continuation();
  const std::optional<std::uint64_t> hash = number_of(take_field(rest));
  const std::optional<std::uint64_t> rows_before = number_of(take_field(rest));
  if (!hash || *hash != query_hash || !rows_before || rest.empty()) return bad_continuation();
  return QueryContinuation{*hash, *rows_before, std::string(rest)};
}

}  // namespace kyanite
