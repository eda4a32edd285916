#include "server/api/blob_request.h"
#include "protocol/http/http_date.h"

#include <gmock/gmock.h>

#include "protocol/base/iso_time.h"
#include "protocol/base/limits.h"
#include "protocol/http/http_date.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(BlockList, forms_of_the_services_clients) {
  const auto node = parse_block_list(
      R"(<?xml version="1.0" encoding="UTF-8" standalone="yes"?><BlockList><Latest>MDE=</Latest><Latest>MDI=</Latest></BlockList>)");
  ASSERT_TRUE(node) << node.error().detail;
  EXPECT_THAT(*node, ElementsAre("01", "02"));
  const auto spaced = parse_block_list(
      "\xEF\xBB\xBF<?xml version='1.0' encoding='utf-8'?>\n<BlockList>\n"
      "  <Uncommitted>MDE=</Uncommitted>\n  <Committed> MDI= </Committed>\n</BlockList>\n");
  ASSERT_TRUE(spaced);
  EXPECT_THAT(*spaced, ElementsAre("01", "02"));
  EXPECT_THAT(*parse_block_list("<BlockList />"), IsEmpty());
  EXPECT_THAT(*parse_block_list("<BlockList></BlockList>"), IsEmpty());
}

TEST(BlockList, everything_else_is_refused) {
  for (const char* bad :
       {"", "x", "<BlockList>", "<BlockList><Latest>MDE=</BlockList>", "<BlockList>x</BlockList>",
        "<BlockList><Other>MDE=</Other></BlockList>", "<?xml <BlockList></BlockList>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><BlockList></BlockList>"}) {
    EXPECT_EQ(parse_block_list(bad).error().code, Errc::format_error) << bad;
  }
  for (const char* bad :
       {"<BlockList><Latest></Latest></BlockList>", "<BlockList><Latest>?</Latest></BlockList>"}) {
    EXPECT_THAT(parse_block_list(bad).error().detail, HasSubstr("InvalidBlockId: ")) << bad;
  }
}

TEST(BlockList, the_number_of_blocks_is_bounded) {
  std::string xml = "<BlockList>";
  for (std::size_t i = 0; i <= limits::kBlocksPerBlobMax; ++i) xml += "<Latest>MDE=</Latest>";
  EXPECT_EQ(parse_block_list(xml + "</BlockList>").error().code, Errc::request_too_large);
}

TEST(ByteRangeTest, of_a_blob) {
  const auto range = [](std::string value, std::uint64_t size = 10) {
    HttpRequest request;
    request.headers = {{"x-ms-range", std::move(value)}};
    return byte_range_of(request, size);
  };
  EXPECT_EQ(range("bytes=2-4")->first, 2u);
  EXPECT_EQ(range("bytes=2-4")->count, 3u);
  EXPECT_EQ(range("bytes=2-")->count, 8u);
  EXPECT_EQ(range("bytes=0-33554431")->count, 10u);
  EXPECT_TRUE(range("bytes=0-33554431")->is_part);
  EXPECT_FALSE(range("bytes=10-12"));
  EXPECT_FALSE(range("bytes=0-1", 0));
  for (const char* ignored : {"", "bytes=-3", "lines=1-2", "bytes=4-2", "bytes=0-1,3-4"}) {
    EXPECT_FALSE(range(ignored)->is_part) << ignored;
  }
}

TEST(BlobErrors, are_xml_with_the_services_names) {
  HttpRequest request;
  request.tracking_id = "id";
  const WallTime now = *parse_iso_time("2026-01-05T10:00:00Z");
  const auto named = [&](const Error& error) { return blob_error_response(error, request, now); };
  EXPECT_EQ(named(Errc::unauthorized).status, 403);
  EXPECT_THAT(named(Errc::unauthorized).body, HasSubstr("<Code>AuthenticationFailed</Code>"));
  EXPECT_EQ(named(Errc::not_found).status, 404);
  EXPECT_EQ(named(Error(Errc::argument_invalid, "InvalidRange: x")).status, 416);
  EXPECT_THAT(named(Error(Errc::argument_invalid, "Md5Mismatch: a < b")).body,
              HasSubstr("<Code>Md5Mismatch</Code><Message>Md5Mismatch: a &lt; b"));
  EXPECT_EQ(named(Errc::storage_failed).status, 500);
  EXPECT_EQ(to_http_date(now), "Mon, 05 Jan 2026 10:00:00 GMT");
}

}  // namespace
}  // namespace kyanite::test
