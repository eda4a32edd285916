#pragma once

#include <memory>
#include <string>

namespace CLI {
class App;
}

// Each function declares subcommands. A chosen one runs as CLI11's callback and leaves its exit code in
// `exit_code`.
namespace kyanite::cli {

void add_serve_command(CLI::App& app, int& exit_code);
void add_config_commands(CLI::App& app, int& exit_code);
void add_device_commands(CLI::App& app, int& exit_code);
void add_module_commands(CLI::App& app, int& exit_code);
void add_twin_commands(CLI::App& app, int& exit_code);
void add_query_command(CLI::App& app, int& exit_code);
void add_sas_commands(CLI::App& app, int& exit_code);
void add_method_commands(CLI::App& app, int& exit_code);
void add_job_commands(CLI::App& app, int& exit_code);
void add_configuration_commands(CLI::App& app, int& exit_code);
void add_event_commands(CLI::App& app, int& exit_code);
void add_connection_command(CLI::App& app, int& exit_code);
void add_consumer_group_commands(CLI::App& app, int& exit_code);
void add_c2d_commands(CLI::App& app, int& exit_code);
void add_certificate_commands(CLI::App& app, int& exit_code);
void add_policy_commands(CLI::App& app, int& exit_code);
void add_transfer_commands(CLI::App& app, int& exit_code);  // export, import
void add_clock_commands(CLI::App& app, int& exit_code);
void add_file_commands(CLI::App& app, int& exit_code);
void add_fault_commands(CLI::App& app, int& exit_code);
void add_snapshot_commands(CLI::App& app, int& exit_code);  // and reset
void add_wait_commands(CLI::App& app, int& exit_code);
void add_health_command(CLI::App& app, int& exit_code);
void add_hub_commands(CLI::App& app, int& exit_code);       // ca, status, version
void add_backup_commands(CLI::App& app, int& exit_code);    // backup, restore, check
void add_operator_commands(CLI::App& app, int& exit_code);  // reload, log-level
void add_support_bundle_command(CLI::App& app, int& exit_code);
void add_completion_commands(CLI::App& app, int& exit_code);  // completion, man: after all others

// Says what went wrong in one line on standard error: "kyanite: SENTENCE".
int fail(const std::string& sentence);

}  // namespace kyanite::cli
