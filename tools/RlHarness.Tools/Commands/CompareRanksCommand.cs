using System.CommandLine;
using System.Globalization;
using RlHarness.Cli;
using RlHarness.Core.Errors;
using RlHarness.Tracking.Store;

namespace RlHarness.Tools.Commands;

/// <summary>
/// Two runs of the same settings over different numbers of ranks: the same tokens and labels, and the same metrics but for how sums are rounded. Time and speed
/// are left out.
/// </summary>
internal static class CompareRanksCommand
{
    /// <summary>Relative to a metric's scale: its size or 1, whichever is larger.</summary>
    private const double Bound = 1e-6;

    /// <summary>
    /// Differences of two sums of log-probabilities, each as large as the entropy's estimate: their scale is that sum. fp32 rounds a log-probability of 4 nats
    /// or more to 5e-7.
    /// </summary>
    private static readonly string[] OfLogprobs = ["objective/kl", "objective/non_score_reward", "objective/rlhf_reward"];

    internal static Command Create()
    {
        var first = new Argument<string>("first") { Description = "A run's folder." };
        var second = new Argument<string>("second") { Description = "Another's." };
        var bound = new Option<double>("--bound") { Description = "Largest difference of a metric, over its size or 1.", DefaultValueFactory = _ => Bound };
        var command = new Command("compare-ranks", "Compare runs over different numbers of ranks: tokens and labels exactly, metrics within a bound.")
        {
            first,
            second,
            bound,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                using var a = RunStore.OpenReadOnly(Path.Combine(parsed.GetValue(first)!, "run.db"));
                using var b = RunStore.OpenReadOnly(Path.Combine(parsed.GetValue(second)!, "run.db"));
                Exact("transcripts", Transcripts(a), Transcripts(b));
                Exact("labels", Labels(a), Labels(b));
                Metrics(Figures(a), Figures(b), parsed.GetValue(bound));
                return 0;
            })
        );
        return command;
    }

    private static string[] Transcripts(RunStore store) =>
        [.. store.Transcripts().Select(t => $"{t.Id} {string.Join(",", t.TokenIds ?? [])} {t.FinishReason}").Order(StringComparer.Ordinal)];

    private static string[] Labels(RunStore store) =>
        [
            .. store
                .TranscriptCounts()
                .SelectMany(c => store.Labels(c.Stage, c.Step))
                .Select(l => $"{l.TranscriptId} {l.Detector} {l.Outcome} {l.Reasoning} {l.AlignmentFaking}")
                .Order(StringComparer.Ordinal),
        ];

    private static Dictionary<(string Stage, long Step, string Name), double> Figures(RunStore store) =>
        store
            .Metrics()
            .Where(m => !m.Name.StartsWith("timing_s/", StringComparison.Ordinal) && !m.Name.StartsWith("perf/", StringComparison.Ordinal))
            .ToDictionary(m => (m.Stage, m.Step, m.Name), m => m.Value);

    private static void Exact(string what, string[] a, string[] b)
    {
        var differ = a.Except(b).Concat(b.Except(a)).ToArray();
        if (differ.Length > 0)
            throw new HarnessException(ErrorKind.CheckFailed, $"{what} differ", $"{differ.Length} of {a.Length} and {b.Length}: {differ[0]}", "the same");
        Console.WriteLine($"{a.Length} {what}: the same");
    }

    private static void Metrics(
        Dictionary<(string Stage, long Step, string Name), double> a,
        Dictionary<(string Stage, long Step, string Name), double> b,
        double bound
    )
    {
        if (a.Keys.Except(b.Keys).Concat(b.Keys.Except(a.Keys)).ToArray() is { Length: > 0 } only)
            throw new HarnessException(ErrorKind.CheckFailed, "one run alone has a metric", $"{only[0]}", "the same metrics");
        double Error((string Stage, long Step, string Name) key)
        {
            var (x, y) = (a[key], b[key]);
            if (double.IsNaN(x) && double.IsNaN(y))
                return 0;
            var scale = OfLogprobs.Contains(key.Name) ? a[(key.Stage, key.Step, "objective/entropy")] : x;
            return Math.Abs(x - y) / Math.Max(1, Math.Abs(scale));
        }

        var off = a.Keys.Select(key => (Key: key, Error: Error(key), One: a[key], Other: b[key])).OrderByDescending(m => m.Error).ToArray();
        foreach (var m in off.Take(3))
            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"  {m.Key.Stage} step {m.Key.Step} {m.Key.Name}: {m.One:R} and {m.Other:R}, off by {m.Error:0.0e+0}"
                )
            );
        if (!(off[0].Error <= bound))
            throw new HarnessException(
                ErrorKind.CheckFailed,
                $"a metric differs: {off[0].Key}",
                string.Create(CultureInfo.InvariantCulture, $"{off[0].One:R} and {off[0].Other:R}, off by {off[0].Error:0.0e+0}"),
                string.Create(CultureInfo.InvariantCulture, $"at most {bound:0.0e+0}")
            );
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{off.Length} metrics: off by at most {off[0].Error:0.0e+0}"));
    }
}
