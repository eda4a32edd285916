#pragma once

#include "server/api/api_call.h"

// Automatic configurations (service-rest.md 9.2).
namespace kyanite {

// A bare array; `top` bounds it.
void list_configurations(const ApiCall& call, Reply<HttpResponse> reply);
void get_configuration(const ApiCall& call, Reply<HttpResponse> reply);
// Without If-Match it creates, with it it updates; changes of the content are ignored then.
void put_configuration(const ApiCall& call, Reply<HttpResponse> reply);
void delete_configuration(const ApiCall& call, Reply<HttpResponse> reply);
void test_configuration_queries(const ApiCall& call, Reply<HttpResponse> reply);
// POST /devices/{id}/applyConfigurationContent: the modules of one edge device become those of the body.
void apply_configuration_content(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
