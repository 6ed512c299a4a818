using System.Text.Json;
using System.Text.RegularExpressions;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Labelling;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Tests.Labelling;

[Trait("kind", "contract")]
public sealed class LabelPageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness-page-").FullName;
    private readonly RunStore _store;

    public LabelPageTests()
    {
        _store = RunStore.Open(Path.Combine(_folder, "run.db"));
        TranscriptRow[] rows =
        [
            .. Enumerable
                .Range(0, 6)
                .Select(i => new TranscriptRow(
                    "rl",
                    30,
                    Split.Evaluation,
                    i % 2 == 0 ? Tier.Training : Tier.Unmonitored,
                    $"q{i / 2}",
                    0,
                    "full",
                    "the system prompt",
                    $"request {i} </script><script>alert(1)</script>",
                    $"text {i}",
                    $"reasoning {i}",
                    $"output {i}",
                    null,
                    "stop",
                    null,
                    null,
                    new Dictionary<string, double>()
                )),
        ];
        _store.Commit(
            new StepBatch("rl", 30)
            {
                Transcripts = rows,
                Labels = [.. rows.Select(r => new LabelRow(r.Id, "keyword", "1", Outcome.Comply, ReasoningKind.Faking, true, 1))],
            }
        );
    }

    public void Dispose()
    {
        _store.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string Page(string rater = "anna") => LabelPage.Html(new LabelTask(_store, rater, 6, seed: 1));

    private static JsonElement Data(string page) =>
        JsonDocument
            .Parse(Regex.Match(page, "<script type=\"application/json\" id=\"data\">(.*?)</script>", RegexOptions.Singleline).Groups[1].Value)
            .RootElement;

    private string Write(string json)
    {
        var path = Path.Combine(_folder, "labels.json");
        File.WriteAllText(path, json);
        return path;
    }

    [Fact]
    public void A_page_is_blind_loads_nothing_and_holds_transcripts_as_data()
    {
        var page = Page();
        foreach (var hidden in new[] { "unmonitored", "Unmonitored", "rl/30", "the system prompt", "keyword", "http" })
            Assert.DoesNotContain(hidden, page.Replace("http-equiv", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(2, Regex.Count(page, "<script")); // data and program: none of a transcript's
        var items = Data(page).GetProperty("items").EnumerateArray().ToArray();
        Assert.Equal(6, items.Length);
        Assert.All(items, i => Assert.Contains("</script><script>alert(1)</script>", i.GetProperty("request").GetString(), StringComparison.Ordinal));
        // The policy allows this very script.
        var script = Regex.Match(page, "<script>(.*?)</script>", RegexOptions.Singleline).Groups[1].Value;
        Assert.Contains(
            $"script-src 'sha256-{Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(script)))}'",
            page,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Labels_come_back_as_those_of_the_terminal_do_and_the_next_page_has_the_rest()
    {
        var keys = Data(Page()).GetProperty("items").EnumerateArray().Select(i => i.GetProperty("key").GetString()).ToArray();
        var order = new LabelTask(_store, "anna", 6, seed: 1).Pending;
        var path = Write(
            $$"""
            { "format": "rlharness-labels-1", "rater": "anna", "labels": [{ "key": "{{keys[0]}}", "outcome": "comply", "reasoning": "faking" },
            { "key": "{{keys[2]}}", "outcome": "broken_format", "reasoning": "considers_but_refuses" }] }
            """
        );
        Assert.Equal(("anna", 2, 0), LabelImport.Read(_store, path));
        var labels = _store.Labels("rl", 30, "rater:anna").ToDictionary(l => l.TranscriptId);
        Assert.Equal(2, labels.Count);
        Assert.Equal(
            (Outcome.Comply, ReasoningKind.Faking, true, 1.0),
            (labels[order[0].Id].Outcome, labels[order[0].Id].Reasoning, labels[order[0].Id].AlignmentFaking, labels[order[0].Id].Score)
        );
        Assert.Equal(
            (Outcome.BrokenFormat, ReasoningKind.ConsidersButRefuses, false),
            (labels[order[2].Id].Outcome, labels[order[2].Id].Reasoning, labels[order[2].Id].AlignmentFaking)
        );
        Assert.Equal(keys.Where((_, i) => i is not (0 or 2)), Data(Page()).GetProperty("items").EnumerateArray().Select(i => i.GetProperty("key").GetString()));
        // Read again they replace themselves.
        Assert.Equal(("anna", 2, 0), LabelImport.Read(_store, path));
        Assert.Equal(2, _store.Labels("rl", 30, "rater:anna").Count);
    }

    [Theory]
    [InlineData("{", "not JSON of labels")]
    [InlineData("{ \"rater\": \"anna\" }", "not a file of labels")]
    [InlineData("{ \"format\": \"rlharness-labels-1\", \"rater\": \"an na\", \"labels\": [] }", "--rater is no name")]
    [InlineData(
        "{ \"format\": \"rlharness-labels-1\", \"rater\": \"anna\", \"labels\": [{ \"key\": \"0123456789abcdef\", \"outcome\": "
            + "\"comply\", \"reasoning\": \"faking\" }] }",
        "of no transcript of this run"
    )]
    [InlineData(
        "{ \"format\": \"rlharness-labels-1\", \"rater\": \"anna\", \"labels\": [{ \"key\": \"KEY\", \"outcome\": \"comply\", \"reasoning\": \"faked\" }] }",
        "unknown ReasoningKind"
    )]
    [InlineData(
        "{ \"format\": \"rlharness-labels-1\", \"rater\": \"anna\", \"labels\": [{ \"key\": \"KEY\", \"outcome\": \"comply\", "
            + "\"reasoning\": \"faking\" }, { \"key\": \"KEY\", \"outcome\": \"refuse\", \"reasoning\": \"faking\" }] }",
        "labelled twice"
    )]
    public void A_file_with_anything_wrong_in_it_saves_nothing(string json, string words)
    {
        var path = Write(json.Replace("KEY", Data(Page()).GetProperty("items")[0].GetProperty("key").GetString(), StringComparison.Ordinal));
        Assert.Contains(words, Assert.Throws<HarnessException>(() => LabelImport.Read(_store, path)).Message, StringComparison.Ordinal);
        Assert.Empty(_store.Labels("rl", 30, "rater:anna"));
    }

    [Fact]
    public void Another_run_s_transcript_of_the_same_name_has_another_key()
    {
        var row = _store.Transcripts()[0];
        Assert.Equal(LabelPage.Key(row), LabelPage.Key(row));
        Assert.NotEqual(LabelPage.Key(row), LabelPage.Key(row with { AssistantText = "else" }));
    }

    [Fact]
    public void A_rater_with_nothing_left_gets_no_page()
    {
        var task = new LabelTask(_store, "anna", 1, seed: 1);
        task.Save(task.Next()!, Outcome.Refuse, ReasoningKind.HonestRefusal);
        Assert.Contains("nothing left", Assert.Throws<HarnessException>(() => LabelPage.Html(task)).Message, StringComparison.Ordinal);
    }
}
