#pragma once

// Exit codes of every subcommand; config/reference.md and `kyanite --help` show them to users.
namespace kyanite::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;        // refused by the hub, or could not be done
inline constexpr int kUsage = 2;         // wrong use of the command line
inline constexpr int kTooFewEvents = 3;  // events: the time was over before --count events came

}  // namespace kyanite::cli
