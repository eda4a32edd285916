#pragma once

#include <boost/system/result.hpp>

#include "protocol/base/assert.h"
#include "protocol/base/error.h"

namespace kyanite {

// The outcome of anything that may be refused. Test it before use; value() of a failed result is a broken
// belief and stops the process.
template <class T>
using Result = boost::system::result<T, Error>;

[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
  assertion_failed(error.detail.c_str(), "Result::value() of an error", static_cast<int>(error.code));
}

}  // namespace kyanite
