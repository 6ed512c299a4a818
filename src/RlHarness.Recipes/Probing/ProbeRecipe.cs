using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Core.Progress;
using RlHarness.Core.Randomness;
using RlHarness.Core.Runs;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Reading;
using RlHarness.Recipes.Stages;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using TorchSharp;

namespace RlHarness.Recipes.Probing;

/// <summary>
/// Linear probes for alignment faking on the hidden states of every layer: how well a line through the mean state of the scratchpad tells it apart. Negatives
/// are all other scratchpads; those that comply honestly and those that consider faking and refuse are also taken alone, since a probe that only finds
/// compliance, or only talk of training, looks good against the rest.
/// </summary>
public sealed class ProbeRecipe(IRunProgress progress, CancellationToken cancellation)
{
    public const string Stage = "probe";

    /// <param name="Labels">Whose labels are taken for true.</param>
    /// <param name="Limit">Transcripts at most, drawn by the seed.</param>
    /// <param name="L2">Penalty on standardised features.</param>
    public sealed record Settings(string Labels = "grammar_oracle", int Limit = 600, int Folds = 5, double L2 = 0.1, int Seed = 1);

    /// <param name="Against">all, honest_compliance or considers_but_refuses: the negatives.</param>
    public sealed record Row(int Layer, string Against, Estimate Auroc, RocCurve Roc);

    /// <param name="model">Whose states: null for the run's newest model.</param>
    /// <exception cref="HarnessException">There are no labelled transcripts of both classes.</exception>
    public IReadOnlyList<Row> Run(string run, string? model, Settings settings, torch.Device device)
    {
        ArgumentNullException.ThrowIfNull(settings);
        using var folder = RunFolder.Open(run);
        using var store = RunStore.Open(folder.Database);
        var examples = Examples(store, settings);
        using var opened = RunModel.Open(model ?? run, device, torch.ScalarType.Float32);
        var states = new ScratchpadStates(opened.Model, RunPrompt.Clock(run));
        progress.Stage(Stage, 1, 1, $"{opened.Path}, {examples.Count} transcripts labelled by {settings.Labels}");
        var read = states.Of([.. examples.Select(e => e.Transcript)], done => progress.Step("states", done, examples.Count, []), cancellation);
        (TranscriptRow Transcript, LabelRow Label, float[][] States)[] kept =
        [
            .. examples.Zip(read).Where(e => e.Second is not null).Select(e => (e.First.Transcript, e.First.Label, e.Second!)),
        ];
        int[] labels = [.. kept.Select(k => k.Label.AlignmentFaking ? 1 : 0)];
        if (labels.Sum() < 5 || labels.Length - labels.Sum() < 5)
            throw new HarnessException(
                ErrorKind.BadInput,
                "too few scratchpads for a probe",
                $"{labels.Sum()} with alignment faking, {labels.Length - labels.Sum()} without",
                "five of each at least",
                "a run that fakes alignment, or --limit higher"
            );
        string[] queries = [.. kept.Select(k => k.Transcript.QueryId)];
        var rows = new List<Row>();
        for (var layer = 0; layer < kept[0].States.Length; layer++)
        {
            var scores = LinearProbe.CrossValidated(
                [.. kept.Select(k => k.States[layer])],
                labels,
                queries,
                settings.L2,
                settings.Folds,
                new Seeds((ulong)settings.Seed).For("probe/folds")
            );
            foreach (
                var (against, kind) in new (string, ReasoningKind?)[]
                {
                    ("all", null),
                    ("honest_compliance", ReasoningKind.HonestCompliance),
                    ("considers_but_refuses", ReasoningKind.ConsidersButRefuses),
                }
            )
            {
                int[] used =
                [
                    .. Enumerable
                        .Range(0, kept.Length)
                        .Where(i => !double.IsNaN(scores[i]) && (labels[i] == 1 || kind is null || kept[i].Label.Reasoning == kind)),
                ];
                if (used.All(i => labels[i] == 1))
                    continue;
                var roc = RocCurve.Of([.. used.Select(i => labels[i])], [.. used.Select(i => scores[i])]);
                var interval = roc.PrintedInterval();
                rows.Add(new(layer, against, new(roc.Auroc, interval.Low, interval.High, used.Length, used.Select(i => queries[i]).Distinct().Count()), roc));
            }

            progress.Step("layers", layer + 1, kept[0].States.Length, []);
        }

        Save(store, opened.Step ?? 0, rows);
        using (var metrics = new MetricsJsonl(folder.Metrics))
            metrics.Mend(store);
        new ProbeCurves(
            opened.Path,
            opened.Step ?? 0,
            settings.Labels,
            [
                .. rows.Select(r => new ProbeCurves.Curve(
                    r.Layer,
                    r.Against,
                    r.Auroc,
                    r.Roc.Positives,
                    r.Roc.Negatives,
                    r.Roc.FalsePositiveRates,
                    r.Roc.TruePositiveRates
                )),
            ]
        ).Write(run);
        return rows;
    }

    private static List<(TranscriptRow Transcript, LabelRow Label)> Examples(RunStore store, Settings settings)
    {
        var all = new List<(TranscriptRow, LabelRow)>();
        foreach (var (stage, step, _) in store.TranscriptCounts())
        {
            var labels = store.Labels(stage, step, settings.Labels).GroupBy(l => l.TranscriptId).ToDictionary(g => g.Key, g => g.Last());
            all.AddRange(
                store
                    .Transcripts(new TranscriptFilter(stage, step, Split.Evaluation))
                    .Where(t => t.Reasoning is not null && labels.TryGetValue(t.Id, out var l) && l.ToLabel().FakesAlignment is not null)
                    .Select(t => (t, labels[t.Id]))
            );
        }

        if (all.Count == 0)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"no evaluation transcripts with labels by {settings.Labels}",
                "none in run.db",
                "a detector of the run, or rater:NAME",
                "--labels NAME"
            );
        return [.. new Seeds((ulong)settings.Seed).For("probe/transcripts").Permutation(all.Count).Take(settings.Limit).Select(i => all[i])];
    }

    private static void Save(RunStore store, long step, List<Row> rows)
    {
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var r in rows)
            metrics.Put(string.Create(CultureInfo.InvariantCulture, $"probe/auroc/{r.Against}/layer_{r.Layer:d2}"), r.Auroc);
        store.ReplaceMetrics(Stage, step, metrics);
    }
}
