#pragma once

#include "server/api/api_call.h"

// What an operator asks of the process: /kyanite/v1/backups, /kyanite/v1/reload and /kyanite/v1/log-level,
// for a policy with every right.
namespace kyanite {

void list_backups(const ApiCall& call,
                  Reply<HttpResponse> reply);  // {"backups":[{name, created, bytes, files}]}
// PUT .../{name}: 201 with the entry. The name is that of a folder: 1 to 64 letters, digits, '-', '_' and
// '.'.
void put_backup(const ApiCall& call, Reply<HttpResponse> reply);
void delete_backup(const ApiCall& call, Reply<HttpResponse> reply);  // 204
// POST: {"changed":[...],"needsRestart":[...],"kept":[...]}; 400 says what is wrong with the configuration.
void reload_settings(const ApiCall& call, Reply<HttpResponse> reply);
void get_log_level(const ApiCall& call, Reply<HttpResponse> reply);  // {"level":"info"}
void put_log_level(const ApiCall& call, Reply<HttpResponse> reply);  // the same, as body and answer

}  // namespace kyanite
