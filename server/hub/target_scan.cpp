#include "server/hub/target_scan.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "server/hub/device_router.h"

namespace kyanite {

struct TargetScan::Page {
  Services hub;
  QuerySource source;
  std::shared_ptr<const Chooser> chooser;
  TargetPage found;
  std::optional<Error> trouble;
  std::size_t open = 1;  // questions under way
  Reply<TargetPage> reply;
};

TargetScan::TargetScan(const Services& services, QuerySource source, Chooser chooser)
    : services_(services), source_(source), chooser_(std::make_shared<const Chooser>(std::move(chooser))) {}

void TargetScan::next(std::string after, Reply<TargetPage> reply) {
  auto page =
      std::make_shared<Page>(Page{services_, source_, chooser_, {{}, after, false}, {}, 1, std::move(reply)});
  services_.identities.scan(
      std::move(after), limits::kTargetPageMax,
      Reply<std::vector<IdentityRecord>>(
          services_.home, [page = std::move(page)](Result<std::vector<IdentityRecord>> devices) {
            if (!devices) return page->reply(devices.error());
            page->found.last = devices->empty();
            for (IdentityRecord& device : *devices) {
              page->found.end = device.id.device;
              look_at(page, std::move(device.id));
            }
            settle(page);
          }));
}

void TargetScan::look_at(const std::shared_ptr<Page>& page, Identity device) {
  if (page->source == QuerySource::devices) return judge(page, std::move(device));
  ++page->open;
  ListModules question;
  question.device = std::move(device.device);
  question.reply =
      Reply<std::vector<IdentityView>>(page->hub.home, [page](Result<std::vector<IdentityView>> modules) {
        if (modules) {
          for (IdentityView& module : *modules) judge(page, std::move(module.record.id));
        } else {
          note(page, modules.error());
        }
        settle(page);
      });
  page->hub.router.send(std::move(question));
}

void TargetScan::judge(const std::shared_ptr<Page>& page, Identity id) {
  if (!*page->chooser) {
    page->found.targets.push_back(std::move(id));
    return;
  }
  ++page->open;
  GetTwin question;
  question.identity = id;
  question.reply = Reply<TwinView>(page->hub.home, [page, id = std::move(id)](const Result<TwinView>& view) {
    const Result<Json> row = view ? page->hub.row_of(view->identity, view->twin) : Result<Json>(view.error());
    if (!row) {
      note(page, row.error());
    } else if ((*page->chooser)(*row)) {
      page->found.targets.push_back(id);
    }
    settle(page);
  });
  page->hub.router.send(std::move(question));
}

// One that is gone is none to look for.
void TargetScan::note(const std::shared_ptr<Page>& page, const Error& error) {
  if (error.code == Errc::device_not_found || error.code == Errc::module_not_found) return;
  page->trouble = error;
}

void TargetScan::settle(const std::shared_ptr<Page>& page) {
  if (--page->open > 0) return;
  if (page->trouble) return page->reply(*page->trouble);
  std::sort(page->found.targets.begin(), page->found.targets.end());
  page->reply(std::move(page->found));
}

}  // namespace kyanite
