#include "server/hub/activity_book.h"

#include <memory>
#include <utility>

#include "protocol/base/limits.h"

namespace kyanite {
namespace {

// Ends of connections come in crowds, when a network or a hub goes down.
constexpr milliseconds kSoon{1'000};
constexpr milliseconds kLater{180'000};
constexpr std::size_t kActivityPageMax = 1'000;

// A read on its way, page after page.
struct ActivityRead {
  DocumentStore& documents;
  Executor& executor;
  std::string past;  // keys of the devices asked for come before it
  std::vector<ActivityRecord> found;
  Reply<std::vector<ActivityRecord>> reply;
};

void read_activity_page(std::shared_ptr<ActivityRead> read, std::string after) {
  DocumentStore& documents = read->documents;
  Executor& executor = read->executor;
  documents.scan(Collection::activity, {}, std::move(after), kActivityPageMax,
                 Reply<std::vector<Document>>(
                     executor, [read = std::move(read)](Result<std::vector<Document>> page) mutable {
                       if (!page) return read->reply(page.error());
                       for (const Document& document : *page) {
                         if (document.key >= read->past) return read->reply(std::move(read->found));
                         if (auto record = decode_activity(document.key, document.value)) {
                           read->found.push_back(std::move(*record));
                         }
                       }
                       if (page->empty()) return read->reply(std::move(read->found));
                       read_activity_page(std::move(read), page->back().key);
                     }));
}

}  // namespace

void ActivityBook::note(const Identity& id, When when) {
  noted_.insert(id);
  arm(when == When::soon ? kSoon : kLater);
}

void ActivityBook::forget(const Identity& id) {
  noted_.erase(id);
  if (writing_.erase(id) == 0) return;
  documents_.commit({{}, {{Collection::activity, activity_key(id)}}},
                    Reply<void>(executor_, [](const Result<void>&) {}));
}

void ActivityBook::flush() {
  while (!noted_.empty()) submit(Reply<void>(executor_, [](const Result<void>&) {}));
}

void ActivityBook::arm(milliseconds wait) {
  if (in_flight_) return;  // its answer does it
  const SteadyTime due = executor_.now() + wait;
  if (timer_ && due_ <= due) return;
  executor_.cancel(timer_);
  due_ = due;
  timer_ = executor_.after(wait, [this] {
    timer_ = {};
    write();
  });
}

void ActivityBook::write() {
  if (in_flight_ || noted_.empty()) return;
  in_flight_ = true;
  writing_ = submit(Reply<void>(executor_, [this](const Result<void>& written) { on_written(written); }));
}

void ActivityBook::on_written(const Result<void>& written) {
  in_flight_ = false;
  if (!written) noted_.merge(writing_);
  writing_.clear();
  if (noted_.empty()) return;
  // What came meanwhile may be of the crowd whose first part was written.
  arm(written ? kSoon : kLater);
}

// The first of those noted, as many as go into one commit.
std::set<Identity> ActivityBook::submit(Reply<void> reply) {
  std::set<Identity> taken;
  DocumentChange change;
  while (!noted_.empty() && taken.size() < limits::kActivityBatchMax) {
    auto node = noted_.extract(noted_.begin());
    if (const std::optional<ActivityRecord> record = look_(node.value())) {
      change.puts.push_back({Collection::activity, activity_key(record->id), encode_activity(*record)});
    }
    taken.insert(std::move(node));
  }
  if (change.puts.empty()) {
    reply({});
  } else {
    documents_.commit(std::move(change), std::move(reply));
  }
  return taken;
}

void read_activity(DocumentStore& documents, Executor& executor, const std::string& first,
                   const std::string& last, Reply<std::vector<ActivityRecord>> reply) {
  // The bare id comes before the keys of its device; the byte one comes after the zero byte of its modules.
  read_activity_page(
      std::make_shared<ActivityRead>(ActivityRead{documents, executor, last + '\1', {}, std::move(reply)}),
      first);
}

}  // namespace kyanite
