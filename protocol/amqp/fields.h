#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "protocol/amqp/reader.h"
#include "protocol/amqp/value.h"
#include "protocol/base/result.h"

namespace kyanite::amqp {

// Fields takes the fields of a composite (a described list) in their order. One that is null or missing is
// nothing. The first error is kept and everything after it is nothing: ask finish() once, at the end.
class Fields {
 public:
  explicit Fields(const Reader::Compound& list) : reader_(list.items), left_(list.count) {}

  std::optional<bool> boolean() {
    bool value = false;
    if (left_ > 0 && reader_.take_boolean(value)) return took(value);
    return get([](Reader& r) { return r.boolean(); });
  }
  std::optional<std::string_view> text() {
    return get([](Reader& r) { return r.text(); });
  }
  std::optional<std::string_view> binary() {
    std::string_view bytes;
    if (left_ > 0 && reader_.take_binary(bytes)) return took(bytes);
    return get([](Reader& r) { return r.binary(); });
  }
  std::optional<std::int64_t> timestamp() {
    return get([](Reader& r) { return r.timestamp(); });
  }
  std::vector<std::string> symbols() {
    return get([](Reader& r) { return as_optional(r.symbols()); }).value_or(std::vector<std::string>());
  }
  Value value() {
    return get([](Reader& r) { return as_optional(r.value()); }).value_or(Value());
  }
  // An unsigned number of a type that is not as wide as what peers may write.
  template <class T>
  std::optional<T> number() {
    std::uint32_t quick = 0;
    if (left_ > 0 && reader_.take_unsigned(quick)) {
      if (quick <= std::numeric_limits<T>::max()) return took(static_cast<T>(quick));
      fail("a number is too large for its field");
      return std::nullopt;
    }
    const auto wide = get([](Reader& r) { return r.unsigned_number(); });
    if (!wide) return std::nullopt;
    if (*wide > std::numeric_limits<T>::max()) {
      fail("a number is too large for its field");
      return std::nullopt;
    }
    return static_cast<T>(*wide);
  }
  // Empty when null.
  Map map() {
    Value read = value();
    if (read.is_null()) return {};
    if (auto* map = std::get_if<Map>(&read.of)) return std::move(*map);
    fail("a map was expected");
    return {};
  }
  // The field's bytes, for a reader of its own; empty when it is null.
  std::string_view encoded() {
    if (take_null()) return {};
    return get([](Reader& r) { return as_optional(r.encoded()); }).value_or(std::string_view());
  }
  void skip() {
    if (take_null()) return;
    (void)get([](Reader& r) -> Result<std::optional<bool>> {
      if (auto skipped = r.skip(); !skipped) return skipped.error();
      return std::optional<bool>();
    });
  }

  // The value of a field that may not be missing.
  template <class T>
  T required(std::optional<T> field, const char* missing) {
    if (!field) fail(missing);
    return field.value_or(T());
  }

  void fail(Error error) {
    if (!error_) error_ = std::move(error);
    left_ = 0;
  }
  void fail(const char* detail) { fail(Error(Errc::malformed_packet, detail)); }

  // Passes over fields that nobody asked for.
  Result<void> finish() {
    while (left_ > 0) skip();
    if (error_) return *error_;
    if (!reader_.at_end()) return Error(Errc::malformed_packet, "a list is longer than its items");
    return {};
  }

 private:
  template <class T>
  std::optional<T> took(T value) {
    --left_;
    return value;
  }
  bool take_null() {
    if (left_ == 0 || !reader_.take_null()) return false;
    --left_;
    return true;
  }
  template <class T>
  static Result<std::optional<T>> as_optional(Result<T> result) {
    if (!result) return result.error();
    return std::optional<T>(std::move(*result));
  }
  template <class Get, class T = typename std::invoke_result_t<Get, Reader&>::value_type>
  T get(const Get& read) {
    if (left_ == 0 || take_null()) return {};
    --left_;
    auto field = read(reader_);
    if (field) return std::move(*field);
    fail(field.error());
    return {};
  }

  Reader reader_;
  std::uint32_t left_;
  std::optional<Error> error_;
};

}  // namespace kyanite::amqp
