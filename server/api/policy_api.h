#pragma once

#include "server/api/api_call.h"

// Shared access policies with their keys, under /kyanite/v1/policies (service-rest.md 2.1, 2.2). The answers
// hold secrets: only a policy with every right may ask for them, and they are never logged.
namespace kyanite {

// {"policies":[{name, rights, primaryKey, secondaryKey, connectionString}]}
void list_policies(const ApiCall& call, Reply<HttpResponse> reply);
// One entry as listed. Names ignore case.
void get_policy(const ApiCall& call, Reply<HttpResponse> reply);
// PUT .../{name} with the body {"rights":"RegistryRead, ServiceConnect"}, or a list of them, and the two keys
// when they are not to be random: creates without If-Match, changes with it. 201 or 200 with the entry.
void put_policy(const ApiCall& call, Reply<HttpResponse> reply);
void delete_policy(const ApiCall& call, Reply<HttpResponse> reply);  // 204
// POST .../{name}/regenerate-key with the body {"key":"primary"} or {"key":"secondary"}. Answers the entry as
// it is from now on; what the old key signed is refused everywhere by then.
void regenerate_policy_key(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
