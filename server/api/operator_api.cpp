#include "server/api/operator_api.h"

#include "protocol/base/iso_time.h"
#include "server/api/api_response.h"
#include "server/hub/operator_control.h"

namespace kyanite {
namespace {

Json backup_to_json(const BackupFacts& backup) {
  return {{"name", backup.name},
          {"created", to_iso_time(backup.created)},
          {"bytes", backup.bytes},
          {"files", backup.files}};
}

// Null after an answer: a hub without a process around it has none.
OperatorControl* operator_of(const ApiCall& call, Reply<HttpResponse>& reply) {
  OperatorControl* control = call.context.services.operator_control;
  if (!control) reply(Error(Errc::not_implemented));
  return control;
}

HttpResponse level_response(const OperatorControl& control) {
  return json_response({{"level", control.log_level()}});
}

}  // namespace

void list_backups(const ApiCall& call, Reply<HttpResponse> reply) {
  OperatorControl* control = operator_of(call, reply);
  if (!control) return;
  control->list_backups(answer_with<std::vector<BackupFacts>>(
      call.context.services.executor, std::move(reply), [](const std::vector<BackupFacts>& backups) {
        Json array = Json::array();
        for (const BackupFacts& backup : backups) array.push_back(backup_to_json(backup));
        return json_response({{"backups", std::move(array)}});
      }));
}

void put_backup(const ApiCall& call, Reply<HttpResponse> reply) {
  OperatorControl* control = operator_of(call, reply);
  if (!control) return;
  control->make_backup(call.route.parameters.at(0),
                       answer_with<BackupFacts>(
                           call.context.services.executor, std::move(reply), [](const BackupFacts& backup) {
                             HttpResponse response = json_response(backup_to_json(backup));
                             response.status = 201;
                             return response;
                           }));
}

void delete_backup(const ApiCall& call, Reply<HttpResponse> reply) {
  OperatorControl* control = operator_of(call, reply);
  if (!control) return;
  control->delete_backup(call.route.parameters.at(0),
                         answer_with<void>(call.context.services.executor, std::move(reply), no_content));
}

void reload_settings(const ApiCall& call, Reply<HttpResponse> reply) {
  OperatorControl* control = operator_of(call, reply);
  if (!control) return;
  control->reload(answer_with<ReloadReport>(
      call.context.services.executor, std::move(reply), [](const ReloadReport& report) {
        return json_response(
            {{"changed", report.changed}, {"needsRestart", report.needs_restart}, {"kept", report.kept}});
      }));
}

void get_log_level(const ApiCall& call, Reply<HttpResponse> reply) {
  if (const OperatorControl* control = operator_of(call, reply)) reply(level_response(*control));
}

void put_log_level(const ApiCall& call, Reply<HttpResponse> reply) {
  OperatorControl* control = operator_of(call, reply);
  if (!control) return;
  const Result<Json> body = parse_json(call.request.body);
  if (!body) return reply(body.error());
  const Json* level = body->is_object() ? find_member(*body, "level") : nullptr;
  if (!level || !level->is_string())
    return reply(Error(Errc::argument_invalid, R"(the body must be {"level":"debug"} or another level)"));
  if (const Result<void> set = control->set_log_level(level->get_ref<const std::string&>()); !set)
    return reply(set.error());
  reply(level_response(*control));
}

}  // namespace kyanite
