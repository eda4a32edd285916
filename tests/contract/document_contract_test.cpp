#include <gtest/gtest.h>

#include "tests/contract/store_engine.h"

// What document_store.h promises, asked of every engine.
namespace kyanite {
namespace {

class DocumentContract : public testing::TestWithParam<EngineKind> {
 protected:
  Stores& stores() { return engine_->stores(); }
  Result<void> commit(DocumentChange change) {
    return await<void>(engine_->home, [&](Reply<void> reply) {
      stores().documents().commit(std::move(change), std::move(reply));
    });
  }
  std::optional<std::string> value_of(Collection collection, const std::string& key) {
    return *await<std::optional<std::string>>(
        engine_->home, [&](auto reply) { stores().documents().load(collection, key, std::move(reply)); });
  }
  std::vector<std::string> keys(Collection collection, const std::string& prefix = "",
                                const std::string& after = "", std::size_t limit = 100) {
    const auto page = await<std::vector<Document>>(engine_->home, [&](auto reply) {
      stores().documents().scan(collection, prefix, after, limit, std::move(reply));
    });
    std::vector<std::string> found;
    for (const Document& document : *page) found.push_back(document.key);
    return found;
  }

  std::unique_ptr<StoreEngine> engine_ = GetParam().make();
};
INSTANTIATE_TEST_SUITE_P(Engines, DocumentContract, testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });

using Keys = std::vector<std::string>;

TEST_P(DocumentContract, what_was_committed_is_read_and_survives_reopening) {
  EXPECT_EQ(value_of(Collection::jobs, "a"), std::nullopt);
  ASSERT_TRUE(commit({{{Collection::jobs, "a", "1"}, {Collection::configurations, "a", "2"}}, {}}));
  ASSERT_TRUE(commit({{{Collection::jobs, "a", "3"}}, {}}));
  engine_->reopen();
  EXPECT_EQ(value_of(Collection::jobs, "a"), "3");
  EXPECT_EQ(value_of(Collection::configurations, "a"), "2");
}

TEST_P(DocumentContract, a_change_puts_and_erases_as_a_whole) {
  ASSERT_TRUE(commit({{{Collection::jobs, "a", "1"}, {Collection::job_devices, "a", ""}}, {}}));
  ASSERT_TRUE(
      commit({{{Collection::jobs, "b", "2"}},
              {{Collection::jobs, "a"}, {Collection::job_devices, "a"}, {Collection::jobs, "none"}}}));
  EXPECT_EQ(keys(Collection::jobs), Keys{"b"});
  EXPECT_EQ(value_of(Collection::job_devices, "a"), std::nullopt);
}

TEST_P(DocumentContract, a_scan_stays_in_its_collection_and_prefix) {
  DocumentChange change;
  for (const char* key : {"a", "ab", "abc", "b"}) {
    for (const Collection collection : {Collection::jobs, Collection::job_devices, Collection::uploads}) {
      change.puts.push_back({collection, key, key});
    }
  }
  ASSERT_TRUE(commit(change));
  EXPECT_EQ(keys(Collection::job_devices), (Keys{"a", "ab", "abc", "b"}));
  EXPECT_EQ(keys(Collection::job_devices, "ab"), (Keys{"ab", "abc"}));
  EXPECT_EQ(keys(Collection::job_devices, "ab", "ab"), Keys{"abc"});
  EXPECT_EQ(keys(Collection::job_devices, "b", "a"), Keys{"b"});
  EXPECT_EQ(keys(Collection::job_devices, "", "ab"), (Keys{"abc", "b"}));
  EXPECT_EQ(keys(Collection::job_devices, "", "", 2), (Keys{"a", "ab"}));
  EXPECT_EQ(keys(Collection::job_devices, "c"), Keys{});
}

TEST_P(DocumentContract, a_page_ends_near_its_bound_of_bytes) {
  const std::string large(kDocumentPageBytes / 2, 'x');
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(commit({{{Collection::jobs, key, large}}, {}}));
  EXPECT_EQ(keys(Collection::jobs), (Keys{"a", "b"}));
  EXPECT_EQ(keys(Collection::jobs, "", "b"), Keys{"c"});
}

}  // namespace
}  // namespace kyanite
