#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "protocol/base/assert.h"

namespace kyanite {

template <class Signature>
class UniqueFunction;

// A move-only callable (std::move_only_function is C++23). Targets of up to 56 bytes are kept inside, so the
// callbacks of the hot path do not allocate.
template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}  // NOLINT(google-explicit-constructor)

  template <
      class F, class D = std::decay_t<F>,
      class = std::enable_if_t<!std::is_same_v<D, UniqueFunction> && std::is_invocable_r_v<R, D&, Args...>>>
  UniqueFunction(F&& f) {  // NOLINT(google-explicit-constructor): lambdas convert silently
    if constexpr (fits_inside<D>()) {
      ::new (static_cast<void*>(storage_)) D(std::forward<F>(f));
    } else {
      ::new (static_cast<void*>(storage_)) D*(new D(std::forward<F>(f)));
    }
    ops_ = &kOps<D>;
  }

  UniqueFunction(UniqueFunction&& other) noexcept { take(other); }
  UniqueFunction& operator=(UniqueFunction&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  UniqueFunction(const UniqueFunction&) = delete;
  UniqueFunction& operator=(const UniqueFunction&) = delete;
  ~UniqueFunction() { reset(); }

  explicit operator bool() const { return ops_ != nullptr; }

  R operator()(Args... args) {
    KYANITE_ASSERT(ops_ != nullptr);
    return ops_->call(storage_, std::forward<Args>(args)...);
  }

  void reset() {
    if (ops_) std::exchange(ops_, nullptr)->destroy(storage_);
  }

 private:
  static constexpr std::size_t kInsideBytes = 56;

  struct Ops {
    R (*call)(void*, Args&&...);
    void (*move)(void* from, void* to) noexcept;
    void (*destroy)(void*) noexcept;
  };

  template <class D>
  static constexpr bool fits_inside() {
    return sizeof(D) <= kInsideBytes && alignof(D) <= alignof(std::max_align_t) &&
           std::is_nothrow_move_constructible_v<D>;
  }

  template <class D>
  static D& target(void* storage) {
    if constexpr (fits_inside<D>()) {
      return *std::launder(static_cast<D*>(storage));
    } else {
      return **std::launder(static_cast<D**>(storage));
    }
  }

  template <class D>
  static constexpr Ops kOps{
      [](void* s, Args&&... args) -> R { return target<D>(s)(std::forward<Args>(args)...); },
      [](void* from, void* to) noexcept {
        if constexpr (fits_inside<D>()) {
          ::new (to) D(std::move(target<D>(from)));
          target<D>(from).~D();
        } else {
          ::new (to) D*(&target<D>(from));
        }
      },
      [](void* s) noexcept {
        if constexpr (fits_inside<D>()) {
          target<D>(s).~D();
        } else {
          delete &target<D>(s);
        }
      }};

  void take(UniqueFunction& other) noexcept {
    if (other.ops_) {
      ops_ = std::exchange(other.ops_, nullptr);
      ops_->move(other.storage_, storage_);
    }
  }

  const Ops* ops_ = nullptr;
  alignas(std::max_align_t) std::byte storage_[kInsideBytes];
};

using Task = UniqueFunction<void()>;

}  // namespace kyanite
