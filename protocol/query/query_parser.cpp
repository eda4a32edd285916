#include <algorithm>
#include <array>
#include <set>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/query/query.h"
#include "protocol/query/query_functions.h"
#include "protocol/query/query_lexer.h"
#include "protocol/query/query_names.h"

namespace kyanite {
namespace {

using Kind = QueryToken::Kind;

struct BinaryOperator {
  const char* symbol;
  QueryOperator op;
};
constexpr std::array kComparisons{BinaryOperator{"=", QueryOperator::equal},
                                  BinaryOperator{"!=", QueryOperator::not_equal},
                                  BinaryOperator{"<>", QueryOperator::not_equal},
                                  BinaryOperator{"<", QueryOperator::less},
                                  BinaryOperator{"<=", QueryOperator::less_or_equal},
                                  BinaryOperator{">", QueryOperator::greater},
                                  BinaryOperator{">=", QueryOperator::greater_or_equal}};
constexpr std::array kSums{BinaryOperator{"+", QueryOperator::add},
                           BinaryOperator{"-", QueryOperator::subtract}};
constexpr std::array kProducts{BinaryOperator{"*", QueryOperator::multiply},
                               BinaryOperator{"/", QueryOperator::divide},
                               BinaryOperator{"%", QueryOperator::remainder}};

// Where a name is asked for, these are not one.
constexpr std::array kReserved{"select", "from",   "where",     "group", "by",      "and",
                               "or",     "not",    "in",        "nin",   "as",      "true",
                               "false",  "null",   "undefined", "top",   "order",   "join",
                               "like",   "having", "union",     "limit", "between", "distinct"};
constexpr std::array kUnsupported{"order", "join",  "distinct", "like",   "having",
                                  "union", "limit", "between",  "exists", "offset"};

struct NamedAggregate {
  const char* name;
  QueryAggregate aggregate;
};
constexpr std::array kAggregates{
    NamedAggregate{"count", QueryAggregate::count}, NamedAggregate{"avg", QueryAggregate::average},
    NamedAggregate{"sum", QueryAggregate::sum}, NamedAggregate{"min", QueryAggregate::minimum},
    NamedAggregate{"max", QueryAggregate::maximum}};

template <std::size_t N>
bool is_one_of(const std::array<const char*, N>& words, std::string_view word) {
  return std::any_of(words.begin(), words.end(),
                     [word](const char* w) { return equals_ignoring_case(w, word); });
}

QueryExpression constant_of(Json value) {
  QueryExpression node;
  node.op = QueryOperator::constant;
  node.constant = std::move(value);
  return node;
}

template <class Visit>
void each_path(QueryExpression& expression, const Visit& visit) {
  if (expression.op == QueryOperator::path) visit(expression.path);
  for (QueryExpression& operand : expression.operands) each_path(operand, visit);
}

// Recursive descent over the grammar of spec service-rest.md 6.3. The first error ends it: then every token
// is the end.
class QueryParser {
 public:
  explicit QueryParser(std::vector<QueryToken> tokens) : tokens_(std::move(tokens)) {}

  Result<Query> query() {
    Query query;
    expect_word("select");
    if (take_word("top")) query.top = number_of_rows();
    if (!take_symbol("*")) items(query.items);
    expect_word("from");
    source(query.source);
    if (take_word("where")) query.condition = expression();
    if (take_word("group")) {
      const std::size_t where = now().position;
      expect_word("by");
      do {
        query.group_by.push_back(path());
      } while (take_symbol(","));
      if (query.items.empty()) fail_at(where, "GROUP BY needs a list of paths and aggregates in SELECT");
    }
    finish();
    if (!error_) resolve(query);
    if (!error_) check(query);
    if (error_) return *error_;
    return query;
  }

  Result<QueryCondition> condition() {
    QueryCondition condition;
    bool bare = true;
    if (is_word("select")) fail("a condition is the part after WHERE, not a whole query");
    if (take_word("from")) {
      source(condition.source);
      bare = take_word("where");
    }
    if (condition.source == QuerySource::device_jobs) fail("a condition is about devices or modules");
    if (bare && !take_symbol("*")) condition.expression = expression();
    finish();
    if (error_) return *error_;
    if (condition.expression) resolve(*condition.expression, condition.source);
    return condition;
  }

 private:
  // --- tokens

  const QueryToken& now() const { return tokens_[at_]; }
  const QueryToken& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  void skip() { at_ = std::min(at_ + 1, tokens_.size() - 1); }
  void fail(const std::string& why) { fail_at(now().position, why); }
  void fail_at(std::size_t position, const std::string& why) {
    if (!error_) error_ = query_error(position, why);
    at_ = tokens_.size() - 1;
  }
  bool is_word(std::string_view word) const {
    return now().kind == Kind::word && equals_ignoring_case(now().text, word);
  }
  bool is_symbol(std::string_view symbol) const { return now().kind == Kind::symbol && now().text == symbol; }
  bool before_symbol(std::string_view symbol) const {
    return next().kind == Kind::symbol && next().text == symbol;
  }
  bool before_parenthesis() const { return before_symbol("("); }
  bool take_word(std::string_view word) {
    const bool is = is_word(word);
    if (is) skip();
    return is;
  }
  bool take_symbol(std::string_view symbol) {
    const bool is = is_symbol(symbol);
    if (is) skip();
    return is;
  }
  void expect_word(const std::string& word) {
    if (take_word(word)) return;
    std::string upper = word;
    for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
    fail_unexpected(upper);
  }
  void expect_symbol(const std::string& symbol) {
    if (!take_symbol(symbol)) fail_unexpected("'" + symbol + "'");
  }
  void fail_unexpected(const std::string& wanted) {
    if (now().kind == Kind::word && is_one_of(kUnsupported, now().text)) {
      return fail("ORDER BY, JOIN, DISTINCT, LIKE, HAVING and the like are not part of the language");
    }
    fail(now().kind == Kind::end ? "the query ends where " + wanted + " is expected"
                                 : wanted + " is expected");
  }
  void finish() {
    take_symbol(";");
    if (now().kind != Kind::end) fail_unexpected("the end of the query");
  }

  // --- select and from

  std::uint64_t number_of_rows() {
    const bool good = now().kind == Kind::number && now().number.is_number_integer() &&
                      now().number.get<std::int64_t>() > 0;
    if (!good) {
      fail("TOP needs a whole number greater than zero");
      return 0;
    }
    const auto rows = now().number.get<std::uint64_t>();
    skip();
    return rows;
  }

  void items(std::vector<QueryItem>& items) {
    do {
      items.push_back(item());
    } while (take_symbol(","));
  }

  QueryItem item() {
    QueryItem item;
    item_positions_.push_back(now().position);
    item.aggregate = before_parenthesis() ? aggregate_named(now()) : QueryAggregate::none;
    if (item.aggregate != QueryAggregate::none) {
      skip();
      skip();
      if (item.aggregate == QueryAggregate::count) {
        if (now().kind == Kind::number && now().text == "1")
          skip();
        else
          take_symbol("*");
      } else {
        item.expression = path_node();
      }
      expect_symbol(")");
    } else {
      item.expression = expression();
    }
    const bool must = take_word("as");
    if (now().kind == Kind::quoted_word || (now().kind == Kind::word && !is_one_of(kReserved, now().text))) {
      item.name = now().text;
      skip();
    } else if (must) {
      fail_unexpected("a name");
    }
    return item;
  }

  static QueryAggregate aggregate_named(const QueryToken& token) {
    if (token.kind != Kind::word) return QueryAggregate::none;
    for (const NamedAggregate& row : kAggregates) {
      if (equals_ignoring_case(row.name, token.text)) return row.aggregate;
    }
    return QueryAggregate::none;
  }

  void source(QuerySource& source) {
    const std::size_t where = now().position;
    bool known = take_word("devices");
    if (known && take_symbol(".")) {
      source = is_word("jobs") ? QuerySource::device_jobs : QuerySource::modules;
      known = take_word("modules") || take_word("jobs");
    }
    if (!known) return fail_at(where, "FROM knows devices, devices.modules and devices.jobs");
    const bool must = take_word("as");
    if (now().kind == Kind::word && !is_one_of(kReserved, now().text)) {
      alias_ = now().text;
      skip();
    } else if (must) {
      fail_unexpected("a name");
    }
  }

  // --- expressions

  // Counts how deep the parser itself is; the tree is measured by its nodes.
  struct Level {
    explicit Level(QueryParser& parser) : parser_(parser) {
      if (++parser_.depth_ > limits::kQueryDepthMax) parser_.fail_too_deep();
    }
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    QueryParser& parser_;
  };
  void fail_too_deep() { fail("the query is nested too deeply"); }

  QueryExpression node(QueryOperator op, std::vector<QueryExpression> operands) {
    QueryExpression made;
    made.op = op;
    for (const QueryExpression& operand : operands) made.height = std::max(made.height, operand.height + 1);
    made.operands = std::move(operands);
    if (made.height > limits::kQueryDepthMax) fail_too_deep();
    return made;
  }
  QueryExpression node(QueryOperator op, QueryExpression a, QueryExpression b) {
    std::vector<QueryExpression> operands;
    operands.push_back(std::move(a));
    operands.push_back(std::move(b));
    return node(op, std::move(operands));
  }
  QueryExpression node(QueryOperator op, QueryExpression a) {
    std::vector<QueryExpression> operands;
    operands.push_back(std::move(a));
    return node(op, std::move(operands));
  }

  QueryExpression expression() {
    const Level level(*this);
    return chain("or", QueryOperator::any_of,
                 [this] { return chain("and", QueryOperator::all_of, [this] { return inverted(); }); });
  }

  template <class Part>
  QueryExpression chain(const char* word, QueryOperator op, const Part& part) {
    QueryExpression first = part();
    if (!is_word(word)) return first;
    std::vector<QueryExpression> operands;
    operands.push_back(std::move(first));
    while (take_word(word)) operands.push_back(part());
    return node(op, std::move(operands));
  }

  QueryExpression inverted() {
    if (!take_word("not")) return comparison();
    const Level level(*this);
    return node(QueryOperator::negation, inverted());
  }

  QueryExpression comparison() {
    QueryExpression left = sum();
    for (const BinaryOperator& row : kComparisons) {
      if (take_symbol(row.symbol)) return node(row.op, std::move(left), sum());
    }
    if (take_word("in")) return listed(QueryOperator::in, std::move(left));
    if (take_word("nin")) return listed(QueryOperator::not_in, std::move(left));
    if (is_word("not") && next().kind == Kind::word && equals_ignoring_case(next().text, "in")) {
      skip();
      skip();
      return listed(QueryOperator::not_in, std::move(left));
    }
    return left;
  }

  QueryExpression listed(QueryOperator op, QueryExpression left) {
    return node(op, std::move(left), constant_of(list()));
  }

  QueryExpression sum() {
    return left_to_right(kSums, [this] { return product(); });
  }
  QueryExpression product() {
    return left_to_right(kProducts, [this] { return signed_value(); });
  }
  template <std::size_t N, class Part>
  QueryExpression left_to_right(const std::array<BinaryOperator, N>& operators, const Part& part) {
    QueryExpression left = part();
    for (bool more = true; more;) {
      more = false;
      for (const BinaryOperator& row : operators) {
        if (!take_symbol(row.symbol)) continue;
        left = node(row.op, std::move(left), part());
        more = true;
        break;
      }
    }
    return left;
  }

  QueryExpression signed_value() {
    for (const BinaryOperator& row :
         {BinaryOperator{"-", QueryOperator::minus}, BinaryOperator{"+", QueryOperator::plus}}) {
      if (!take_symbol(row.symbol)) continue;
      const Level level(*this);
      return node(row.op, signed_value());
    }
    return primary();
  }

  QueryExpression primary() {
    if (is_symbol("[")) return constant_of(list());
    if (take_symbol("(")) {
      QueryExpression inner = expression();
      expect_symbol(")");
      return inner;
    }
    if (is_constant()) {
      if (take_word("undefined")) return QueryExpression();
      return constant_of(constant());
    }
    if (now().kind == Kind::word && before_parenthesis()) return function_call();
    return path_node();
  }

  QueryExpression function_call() {
    if (aggregate_named(now()) != QueryAggregate::none) {
      fail("COUNT, AVG, SUM, MIN and MAX stand alone in SELECT");
    }
    const std::size_t where = now().position;
    const std::optional<QuerySignature> signature = find_query_function(now().text);
    if (!signature) fail("there is no function of this name");
    skip();
    skip();
    std::vector<QueryExpression> arguments;
    if (!error_ && !is_symbol(")")) {
      do {
        arguments.push_back(expression());
      } while (take_symbol(","));
    }
    expect_symbol(")");
    if (!signature) return QueryExpression();
    if (arguments.size() < signature->arguments_min || arguments.size() > signature->arguments_max) {
      fail_at(where, "the function takes another number of arguments");
      return QueryExpression();
    }
    QueryExpression call = node(QueryOperator::function, std::move(arguments));
    call.function = signature->function;
    return call;
  }

  bool is_constant() const {
    const Kind kind = now().kind;
    if (kind == Kind::number || kind == Kind::text) return true;
    if (kind != Kind::word || before_symbol(".")) return false;
    return is_word("true") || is_word("false") || is_word("null") || is_word("undefined");
  }

  // Undefined cannot be in a list: nothing equals it.
  Json constant() {
    const bool negative = take_symbol("-");
    if (!negative) take_symbol("+");
    Json value;
    if (now().kind == Kind::number) {
      value = now().number;
      if (negative && value.is_number_float())
        value = -value.get<double>();
      else if (negative)
        value = -value.get<std::int64_t>();
    } else if (negative) {
      fail_unexpected("a number");
    } else if (now().kind == Kind::text) {
      value = now().text;
    } else if (is_word("true") || is_word("false")) {
      value = is_word("true");
    } else if (!is_word("null")) {
      fail_unexpected("a constant");
    }
    skip();
    return value;
  }

  Json list() {
    const bool round = is_symbol("(");
    if (!round && !is_symbol("[")) fail_unexpected("a list of constants");
    skip();
    Json items = Json::array();
    if (!round && take_symbol("]")) return items;
    do {
      if (!take_word("undefined")) items.push_back(constant());
    } while (take_symbol(","));
    expect_symbol(round ? ")" : "]");
    return items;
  }

  QueryExpression path_node() {
    QueryExpression made;
    made.op = QueryOperator::path;
    made.path = path();
    return made;
  }

  QueryPath path() {
    QueryPath path;
    if (now().kind == Kind::word && is_one_of(kReserved, now().text) && !before_symbol(".")) {
      fail_unexpected("a value");
    }
    segment(path);
    while (!error_) {
      if (take_symbol(".")) {
        segment(path);
      } else if (is_symbol("[")) {
        place(path);
      } else {
        break;
      }
    }
    return path;
  }

  void segment(QueryPath& path) {
    if (now().kind != Kind::word && now().kind != Kind::quoted_word) {
      return fail_unexpected(path.steps.empty() ? "a value" : "a name");
    }
    path.steps.emplace_back(now().text);
    skip();
  }

  void place(QueryPath& path) {
    skip();
    if (now().kind == Kind::text) {
      path.steps.emplace_back(now().text);
    } else if (now().kind == Kind::number && now().number.is_number_integer() &&
               now().number.get<std::int64_t>() >= 0) {
      path.steps.emplace_back(static_cast<std::size_t>(now().number.get<std::int64_t>()));
    } else {
      fail_unexpected("a place in an array or a name in quotes");
    }
    skip();
    expect_symbol("]");
  }

  // --- what is known only when all was read

  void resolve(Query& query) {
    std::size_t unnamed = 0;
    for (QueryItem& item : query.items) {
      const bool is_path = item.expression && item.expression->op == QueryOperator::path;
      if (is_path) resolve_query_path(item.expression->path, query.source, alias_);
      if (item.name.empty()) {
        std::optional<std::string> name;
        if (is_path && item.aggregate == QueryAggregate::none) name = query_path_name(item.expression->path);
        item.name = name ? *name : "$" + std::to_string(++unnamed);
      }
      if (is_path) {
        store_query_path(item.expression->path, query.source);
      } else if (item.expression) {
        resolve(*item.expression, query.source);
      }
    }
    if (query.condition) resolve(*query.condition, query.source);
    for (QueryPath& path : query.group_by) resolve(path, query.source);
  }

  void resolve(QueryPath& path, QuerySource source) {
    resolve_query_path(path, source, alias_);
    store_query_path(path, source);
  }

  void resolve(QueryExpression& expression, QuerySource source) {
    each_path(expression, [&](QueryPath& path) { resolve(path, source); });
    spell_times(expression);
  }

  // A time compared with one of the hub's is brought into the form in which the hub writes them.
  static void spell_times(QueryExpression& expression) {
    for (QueryExpression& operand : expression.operands) spell_times(operand);
    if (expression.operands.size() != 2) return;
    for (const std::size_t side : {0U, 1U}) {
      const QueryExpression& value = expression.operands[side];
      QueryExpression& other = expression.operands[1 - side];
      if (value.op != QueryOperator::path || other.op != QueryOperator::constant ||
          !is_system_time(value.path)) {
        continue;
      }
      if (expression.op == QueryOperator::function) continue;
      if (other.constant.is_array()) {
        for (Json& item : other.constant) spell_time(item);
      } else {
        spell_time(other.constant);
      }
    }
  }

  static void spell_time(Json& constant) {
    if (!constant.is_string()) return;
    if (auto time = canonical_query_time(constant.get_ref<const std::string&>())) constant = std::move(*time);
  }

  void check(const Query& query) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < query.items.size(); ++i) {
      if (!names.insert(query.items[i].name).second) {
        return fail_at(item_positions_[i], "two values of SELECT have one name, give them an alias");
      }
    }
    if (query.source == QuerySource::device_jobs && !query.selects_everything()) {
      return fail_at(item_positions_.front(), "of devices.jobs only SELECT * is possible");
    }
    if (!query.aggregates()) return;
    for (std::size_t i = 0; i < query.items.size(); ++i) {
      const QueryItem& item = query.items[i];
      if (item.aggregate != QueryAggregate::none) continue;
      const bool is_grouped = item.expression->op == QueryOperator::path &&
                              std::find(query.group_by.begin(), query.group_by.end(),
                                        item.expression->path) != query.group_by.end();
      if (!is_grouped) {
        return fail_at(item_positions_[i],
                       "beside aggregates SELECT may hold only the paths that GROUP BY names");
      }
    }
  }

  std::vector<QueryToken> tokens_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::string alias_;
  std::vector<std::size_t> item_positions_;
  std::optional<Error> error_;
};

void collect_paths(const QueryExpression& expression, std::vector<const QueryPath*>& into) {
  if (expression.op == QueryOperator::path) into.push_back(&expression.path);
  for (const QueryExpression& operand : expression.operands) collect_paths(operand, into);
}

}  // namespace

bool Query::aggregates() const {
  return !group_by.empty() || std::any_of(items.begin(), items.end(), [](const QueryItem& item) {
    return item.aggregate != QueryAggregate::none;
  });
}

Result<Query> parse_query(std::string_view text) {
  Result<std::vector<QueryToken>> tokens = tokenize_query(text);
  if (!tokens) return tokens.error();
  if (tokens->size() == 1) return query_error(1, "the query is empty");
  return QueryParser(std::move(*tokens)).query();
}

Result<QueryCondition> parse_condition(std::string_view text) {
  Result<std::vector<QueryToken>> tokens = tokenize_query(text);
  if (!tokens) return tokens.error();
  if (tokens->size() == 1) return query_error(1, "the condition is empty");
  return QueryParser(std::move(*tokens)).condition();
}

std::vector<const QueryPath*> paths_of(const QueryExpression& expression) {
  std::vector<const QueryPath*> paths;
  collect_paths(expression, paths);
  return paths;
}

std::vector<const QueryPath*> paths_of(const Query& query) {
  std::vector<const QueryPath*> paths;
  if (query.condition) collect_paths(*query.condition, paths);
  for (const QueryItem& item : query.items) {
    if (item.expression) collect_paths(*item.expression, paths);
  }
  for (const QueryPath& path : query.group_by) paths.push_back(&path);
  return paths;
}

}  // namespace kyanite
