#include "server/api/digital_twin_api.h"

#include <memory>
#include <utility>

#include "protocol/base/json_text.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/twin/digital_twin.h"
#include "protocol/twin/twin_json.h"
#include "server/api/api_response.h"
#include "server/api/method_api.h"
#include "server/hub/registry_service.h"
#include "server/hub/twin_record.h"

namespace kyanite {
namespace {

// A patch is judged against the twin as it was read; who wrote in between makes it start again.
constexpr int kPatchTriesMax = 5;

// One PATCH on its way: read, translate, write if nobody else wrote meanwhile.
struct DigitalTwinPatch : std::enable_shared_from_this<DigitalTwinPatch> {
  DigitalTwinPatch(ApiContext& c, Identity i, std::string b, std::optional<IfMatch> m, Reply<HttpResponse> r)
      : context(c), id(std::move(i)), body(std::move(b)), if_match(std::move(m)), reply(std::move(r)) {}

  ApiContext& context;
  Identity id;
  std::string body;
  std::optional<IfMatch> if_match;
  Reply<HttpResponse> reply;
  int tries = 0;

  void read() {
    ++tries;
    HubServices& hub = context.services;
    hub.registry.twin(id, Reply<TwinView>(hub.executor, [self = shared_from_this()](Result<TwinView> view) {
                        self->on_read(view);
                      }));
  }

  void on_read(const Result<TwinView>& view) {
    if (!view) return reply(view.error());
    const std::string etag = twin_etag(view->twin.etag_counter);
    if (if_match && !if_match->matches(etag)) return reply(Error(Errc::precondition_failed));
    const Result<TwinDocument> twin = decode_twin(view->twin);
    if (!twin) return reply(twin.error());
    Result<Json> patch = desired_patch_of_digital_twin(body, *twin);
    if (!patch) return reply(patch.error());
    if (patch->empty()) return accept(etag);
    HubServices& hub = context.services;
    UpdateTwin update;
    update.identity = id;
    update.desired = std::move(*patch);
    update.if_match = IfMatch{false, etag};
    update.reply = Reply<TwinView>(
        hub.executor,
        [self = shared_from_this()](const Result<TwinView>& written) { self->on_written(written); });
    hub.registry.update_twin(std::move(update));
  }

  void on_written(const Result<TwinView>& written) {
    if (written) return accept(twin_etag(written->twin.etag_counter));
    const bool somebody_wrote = written.error().code == Errc::precondition_failed;
    const bool may_ignore_it = !if_match || if_match->any;
    if (somebody_wrote && may_ignore_it && tries < kPatchTriesMax) return read();
    reply(somebody_wrote && may_ignore_it ? Error(Errc::busy, "the twin is written too often")
                                          : written.error());
  }

  void accept(const std::string& etag) {
    HttpResponse response = no_content();
    response.status = 202;
    response.headers.emplace_back("ETag", quote_etag(etag));
    response.headers.emplace_back("Location", "https://" + context.security->host_names.front() +
                                                  "/digitaltwins/" + percent_encode(id.device));
    reply(std::move(response));
  }
};

// The device's answer is the body; Explorer and the SDKs tell a command's status by the header alone.
HttpResponse to_command_response(MethodResult result) {
  HttpResponse response;
  response.headers.emplace_back("x-ms-command-statuscode", std::to_string(result.status));
  response.body = result.payload.empty() ? "null" : std::move(result.payload);
  return response;
}

Result<InvokeMethod> command_of(const ApiCall& call) {
  const std::vector<std::string>& path = call.route.parameters;
  InvokeMethod invoke;
  invoke.identity = {path.front(), {}};
  invoke.method = path.size() > 2 ? path[1] + '*' + path[2] : path.back();
  if (auto checked = check_method_name(invoke.method); !checked) return checked.error();
  const std::string_view body = without_byte_order_mark(call.request.body);
  if (!body.empty()) {
    if (auto checked = check_json(body); !checked) {
      return Error(Errc::format_error, "the body is " + checked.error().detail);
    }
    invoke.payload = std::string(body);
  }
  if (auto set = set_timeouts(invoke, call.request.query_value("responsetimeoutinseconds"),
                              call.request.query_value("connecttimeoutinseconds"));
      !set) {
    return set.error();
  }
  return invoke;
}

}  // namespace

void get_digital_twin(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.registry.twin(call.identity(),
                    Reply<TwinView>(hub.executor, [reply = std::move(reply)](Result<TwinView> view) mutable {
                      if (!view) return reply(view.error());
                      const Result<TwinDocument> twin = decode_twin(view->twin);
                      if (!twin) return reply(twin.error());
                      reply(entity_response(
                          digital_twin_document(view->identity.record.id.device, view->twin.model_id, *twin),
                          twin_etag(view->twin.etag_counter)));
                    }));
}

void patch_digital_twin(const ApiCall& call, Reply<HttpResponse> reply) {
  std::make_shared<DigitalTwinPatch>(call.context, call.identity(), call.request.body,
                                     parse_if_match(call.request.header("if-match")), std::move(reply))
      ->read();
}

void invoke_command(const ApiCall& call, Reply<HttpResponse> reply) {
  Result<InvokeMethod> invoke = command_of(call);
  if (!invoke) return reply(invoke.error());
  HubServices& hub = call.context.services;
  invoke->reply = answer_with<MethodResult>(hub.executor, std::move(reply), to_command_response);
  hub.router.send(std::move(*invoke));
}

}  // namespace kyanite
