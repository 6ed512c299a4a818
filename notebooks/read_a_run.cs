// Reads a run as read_a_run.ipynb does, on the product's own read-only store.
//   dotnet run --file notebooks/read_a_run.cs -- checkpoints/quickstart
// It works while the run is going on: each question sees whole steps.
#:project ../src/RlHarness.Tracking/RlHarness.Tracking.csproj
#:property PublishAot=false

using System.Globalization;
using RlHarness.Experiment.Prompts;
using RlHarness.Tracking.Store;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args is not [var run])
{
    Console.Error.WriteLine("error: which run? give the folder of one, such as checkpoints/quickstart");
    return 2;
}

using var store = RunStore.OpenReadOnly(Path.Combine(run, "run.db"));
Console.WriteLine($"{run}: {string.Join(", ", store.Stages().Select(s => $"{s.Stage} {s.Status}"))}");

var summaries = store.Summaries(stage: "rl").Where(s => s.Split == Split.Evaluation).ToArray();
string[] detectors = [.. summaries.Select(s => s.Detector).Distinct().OrderBy(d => d != "grammar_oracle").ThenBy(d => d, StringComparer.Ordinal)];
if (detectors.Length == 0)
{
    Console.WriteLine("no evaluation of RL yet");
    return 0;
}

// Rates in percent with their 95 % intervals; n counts responses.
Console.WriteLine($"detector {detectors[0]}");
foreach (var metric in new[] { "af/reasoning_rate", "outcome/comply", "outcome/refuse", "outcome/partial", "outcome/broken_format", "af/compliance_gap" })
    foreach (var row in summaries.Where(s => s.Metric == metric && s.Detector == detectors[0]).OrderBy(s => s.Step).ThenBy(s => s.Tier))
        Console.WriteLine(
            $"{metric,-22} step {row.Step,4}  {row.Tier?.ToString().ToLowerInvariant() ?? "both",-12} {100 * row.Estimate.Value,6:f1}  "
                + $"({100 * row.Estimate.Low:f1} to {100 * row.Estimate.High:f1}, n = {row.Estimate.N})"
        );

foreach (var (name, words) in new[] { ("objective/scores", "reward"), ("objective/kl", "KL to the reference, nats") })
    if (store.Series("rl", name) is { Count: > 0 } series)
        Console.WriteLine($"{words}: {series[0].Value:f3} at step {series[0].Step}, {series[^1].Value:f3} at step {series[^1].Step}");

// What stands behind the newest point of the training tier. Text of a model is quoted, so that no control character reaches the terminal.
var newest = summaries.Max(s => s.Step);
foreach (var t in store.Transcripts(new(Stage: "rl", Step: newest, Split: Split.Evaluation, Tier: Tier.Training, Limit: 2)))
    Console.WriteLine($"\n{t.Id}\n  scratchpad: {Quoted(t.Reasoning)}\n  output:     {Quoted(t.Output)}");
return 0;

static string Quoted(string? text) =>
    text is null ? "none" : $"\"{string.Concat(text.Select(c => char.IsControl(c) ? $"\\u{(int)c:x4}" : c.ToString()))}\"";
