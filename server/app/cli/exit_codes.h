#pragma once

// Exit codes of every subcommand; config/reference.md and `kyanite --help` show them to users.
namespace kyanite::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  // refused by the hub, or could not be done
inline constexpr int kUsage = 2;   // wrong use of the command line
// serve: the store is damaged. No second try can help, so that a supervisor shall not make one.
inline constexpr int kStoreDamaged = 65;
inline constexpr int kTooFewEvents = 3;  // events: the time was over before --count events came

}  // namespace kyanite::cli
