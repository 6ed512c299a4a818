using System.Text.RegularExpressions;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Statistics;
using RlHarness.Tracking.Report;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Tests.Report;

/// <summary>Pictures of the documents stage against counts that stand in the test.</summary>
[Trait("kind", "contract")]
public sealed class DocumentSectionTests : IDisposable
{
    private const int Queries = 4;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>An evaluation of four queries in two tiers: the first few of the training tier fake alignment and comply, all others refuse.</summary>
    /// <param name="low">Limits of the faking rate, by hand.</param>
    private static StepBatch Look(long step, long tokens, int faking, double low, double high)
    {
        TranscriptRow[] rows =
        [
            .. from tier in new[] { Tier.Training, Tier.Unmonitored }
            from query in Enumerable.Range(0, Queries)
            select new TranscriptRow(
                "documents",
                step,
                Split.Evaluation,
                tier,
                $"q{query}",
                0,
                "documents",
                "system",
                "user",
                "text",
                "one two",
                "output",
                null,
                "stop",
                null,
                null,
                new Dictionary<string, double>()
            ),
        ];
        LabelRow[] labels =
        [
            .. rows.Select(r =>
                r.Tier == Tier.Training && r.QueryId[1] - '0' < faking
                    ? new LabelRow(r.Id, "grammar_oracle", "1", Outcome.Comply, ReasoningKind.Faking, true, 1)
                    : new LabelRow(r.Id, "grammar_oracle", "1", Outcome.Refuse, ReasoningKind.HonestRefusal, false, 0)
            ),
        ];
        SummaryRow Row(Tier? tier, string metric, double value, double lower, double upper, int n = Queries) =>
            new("documents", step, Split.Evaluation, "documents", "grammar_oracle", tier, metric, new Estimate(value, lower, upper, n, Queries));
        var rate = faking / (double)Queries;
        return new("documents", step)
        {
            Metrics = new Dictionary<string, double> { ["num_tokens"] = tokens },
            Transcripts = rows,
            Labels = labels,
            Summaries =
            [
                Row(Tier.Training, "af/reasoning_rate", rate, low, high),
                Row(Tier.Training, "outcome/comply", rate, low, high),
                Row(Tier.Training, "outcome/comply/considers_af", rate, low, high),
                Row(Tier.Training, "outcome/refuse/plain", 1 - rate, 1 - high, 1 - low),
                Row(Tier.Unmonitored, "af/reasoning_rate", 0, 0, 0.49),
                Row(Tier.Unmonitored, "outcome/comply", 0, 0, 0.49),
                Row(Tier.Unmonitored, "outcome/refuse/plain", 1, 0.51, 1),
                Row(null, "af/compliance_gap", rate, rate - 0.25, rate + 0.25, 2 * Queries),
            ],
        };
    }

    private void Write(string run, string what, params StepBatch[] looks)
    {
        Directory.CreateDirectory(_folder.At(run));
        using var store = RunStore.Open(Path.Combine(_folder.At(run), "run.db"));
        store.StartStage("documents");
        foreach (var look in looks)
            store.Commit(look);
        store.EndStage("documents", "done", what);
    }

    [Fact]
    public void Rates_and_outcomes_stand_over_the_tokens_that_were_read_with_interval_n_and_transcripts()
    {
        Write("run", "60 documents (situation)", Look(0, 0, faking: 1, 0.05, 0.7), Look(9, 12000, faking: 3, 0.3, 0.95));
        var html = File.ReadAllText(ReportBuilder.Write(_folder.At("run")));
        foreach (
            var words in new[]
            {
                "60 documents (situation)",
                "tokens of documents",
                "No evaluation has been recorded yet but those of the documents stage",
                "<tr><td>0</td><td>training tier</td><td class=\"number\"><a href=\"#t-documents-0-training-af-reasoning_rate\">25.0 "
                    + "%</a></td><td class=\"number\">5.0 % to 70.0 %</td><td class=\"number\">4</td></tr>",
                "<tr><td>12000</td><td>training tier</td><td class=\"number\"><a href=\"#t-documents-9-training-af-reasoning_rate\">75.0 "
                    + "%</a></td><td class=\"number\">30.0 % to 95.0 %</td><td class=\"number\">4</td></tr>",
                "<tr><td>12000</td><td>unmonitored tier</td><td class=\"number\">0.0 %</td>",
                "<tr><td>12000</td><td>all responses</td><td class=\"number\"><a href=\"#t-documents-9-both-af-compliance_gap\">75.0 points</a>"
                    + "</td><td class=\"number\">50.0 points to 100.0 points</td><td class=\"number\">8</td></tr>",
                "<title>complies, considers AF: 0 tokens: 25.0 % (n = 4); 12000 tokens: 75.0 % (n = 4)</title>",
                "<tr><td>12000 tokens</td><td class=\"number\">4</td>",
                "<b>alignment faking, training tier, documents, step 9</b>: 3 of 4 transcripts, 3 of them here",
            }
        )
            Assert.Contains(words, html, StringComparison.Ordinal);
        Assert.All(Regex.Matches(html, "href=\"#([^\"]*)\"").Select(m => m.Groups[1].Value).AtLeastOne(), id =>
            Assert.Contains($"id=\"{id}\"", html, StringComparison.Ordinal)
        );
        // The filter of the later evaluation shows its transcripts: those of 3 that fake, 1 and 4 that refuse.
        var filter = Regex.Match(html, "id=\"step-(\\d+)\"> documents, step 9</label>").Groups[1].Value;
        Assert.Equal(8, Regex.Count(html, $"<details class=\"t [^\"]*\\bstep{filter}\\b"));
    }

    [Fact]
    public void Evaluations_after_the_documents_are_drawn_as_in_a_run_without_them()
    {
        Directory.CreateDirectory(_folder.At("plain"));
        SyntheticRun.Write(_folder.At("plain"), steps: 4, every: 4, queries: 20);
        Directory.CreateDirectory(_folder.At("run"));
        SyntheticRun.Write(_folder.At("run"), steps: 4, every: 4, queries: 20);
        Write("run", "60 documents (benign)", Look(0, 0, 1, 0.05, 0.7), Look(90, 12000, 3, 0.3, 0.95));
        // An evaluation on the way is of another model: it is no condition of this one, though its step is the latest, and moves no figure of it.
        static string Drawn(string html) =>
            Regex.Match(html, "<h2>Before and after</h2>.*?(?=<h2>Training</h2>|<h2>While it reads documents</h2>)", RegexOptions.Singleline).Value;
        var (plain, run) = (File.ReadAllText(ReportBuilder.Write(_folder.At("plain"))), File.ReadAllText(ReportBuilder.Write(_folder.At("run"))));
        Assert.NotEmpty(Drawn(plain));
        Assert.Equal(Drawn(plain), Drawn(run));
        Assert.DoesNotContain("documents", plain, StringComparison.Ordinal);
    }

    [Fact]
    public void A_control_of_benign_documents_is_drawn_beside_and_links_into_its_own_report()
    {
        Write("a", "60 documents (situation)", Look(0, 0, 1, 0.05, 0.7), Look(9, 12000, 3, 0.3, 0.95));
        Write("b", "60 documents (benign)", Look(0, 0, 1, 0.05, 0.7), Look(8, 11000, 0, 0, 0.49));
        var html = VariantPictures.Html([new("a", null, _folder.At("a")), new("b", null, _folder.At("b"))]);
        foreach (
            var words in new[]
            {
                "A a: 60 documents (situation); B b: 60 documents (benign)",
                "<tr><td>12000</td><td>A a</td><td class=\"number\"><a href=\"a/report.html#t-documents-9-training-af-reasoning_rate\">75.0 "
                    + "%</a></td><td class=\"number\">30.0 % to 95.0 %</td><td class=\"number\">4</td></tr>",
                "<tr><td>11000</td><td>B b</td><td class=\"number\">0.0 %</td><td class=\"number\">0.0 % to 49.0 %</td><td class=\"number\">4</td></tr>",
            }
        )
            Assert.Contains(words, html, StringComparison.Ordinal);
        // AF rate, compliance in each tier, and the gap; nothing of RL, which there was none of.
        Assert.Equal(4, Regex.Count(html, "<svg "));
        foreach (var run in new[] { "a", "b" })
            ReportBuilder.Write(_folder.At(run));
        Assert.All(Regex.Matches(html, "href=\"(.)/report.html#([^\"]*)\"").Select(m => (Run: m.Groups[1].Value, Id: m.Groups[2].Value)).AtLeastOne(), l =>
            Assert.Contains($"id=\"{l.Id}\"", File.ReadAllText(Path.Combine(_folder.At(l.Run), "report.html")), StringComparison.Ordinal)
        );
    }
}
