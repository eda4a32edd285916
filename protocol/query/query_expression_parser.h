#pragma once

#include "protocol/query/query.h"
#include "protocol/query/query_tokens.h"

namespace kyanite {

// The aggregate that a word names.
QueryAggregate query_aggregate_named(const QueryToken& token);

// QueryExpressionParser reads expressions and paths of the grammar of spec service-rest.md 6.3 by recursive
// descent. Names stay as they were written.
class QueryExpressionParser : public QueryTokens {
 public:
  using QueryTokens::QueryTokens;

  QueryExpression expression();
  QueryPath path();
  QueryExpression path_node();

 private:
  struct BinaryOperator {
    const char* symbol;
    QueryOperator op;
  };
  static const BinaryOperator kComparisons[7];
  static const BinaryOperator kSums[2];
  static const BinaryOperator kProducts[3];
  struct Level;  // counts how deep the parser itself is; the tree is measured by its nodes
  void fail_too_deep() { fail("the query is nested too deeply"); }
  QueryExpression node(QueryOperator op, std::vector<QueryExpression> operands);
  QueryExpression node(QueryOperator op, QueryExpression a, QueryExpression b);
  QueryExpression node(QueryOperator op, QueryExpression a);
  template <class Part>
  QueryExpression chain(const char* word, QueryOperator op, const Part& part);
  QueryExpression inverted();
  QueryExpression comparison();
  QueryExpression listed(QueryOperator op, QueryExpression left);
  QueryExpression sum();
  QueryExpression product();
  template <std::size_t N, class Part>
  QueryExpression left_to_right(const BinaryOperator (&operators)[N], const Part& part);
  QueryExpression signed_value();
  QueryExpression primary();
  QueryExpression function_call();
  bool is_constant() const;
  // Undefined cannot be in a list: nothing equals it.
  Json constant();
  Json list();
  void segment(QueryPath& path);
  void place(QueryPath& path);

  std::size_t depth_ = 0;
};

}  // namespace kyanite
