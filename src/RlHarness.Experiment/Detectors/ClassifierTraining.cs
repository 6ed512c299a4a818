using RlHarness.Core.Randomness;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Detectors;

/// <summary>Trains a classifier on some queries and scores it on the others.</summary>
/// <param name="Trained">Transcripts that it learnt from.</param>
public sealed record ClassifierTraining(NgramClassifier Classifier, int Trained, DetectorScore HeldOut)
{
    public static ClassifierTraining Run(IReadOnlyList<LabelledResponse> rows, NgramClassifierSettings settings, Seeds seeds)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(seeds);
        string[] groups = [.. rows.Select(r => r.Group).Distinct().Order(StringComparer.Ordinal)];
        seeds.For("classifier/held_out").Shuffle(groups);
        var held = groups.Take((int)Math.Round(settings.HeldOut * groups.Length)).ToHashSet(StringComparer.Ordinal);
        var kept = rows.Where(r => !held.Contains(r.Group)).ToArray();
        var classifier = NgramClassifier.Train(kept, settings, seeds);
        var scored = rows.Where(r => held.Contains(r.Group) && r.Told)
            .Select(r => (r.AlignmentFaking, Label: classifier.Label(r.Response)))
            .Select(r => (r.AlignmentFaking, r.Label.AlignmentFaking, r.Label.Score))
            .ToArray();
        return new(classifier, kept.Length, DetectorScore.Of(scored));
    }
}

/// <summary>A response with the label that a classifier is to learn.</summary>
/// <param name="Group">Query; all responses to one query are trained on, or held out, together.</param>
public sealed record LabelledResponse(string Group, ParsedResponse Response, Outcome Outcome, ReasoningKind Reasoning)
{
    /// <summary>False where the labeller could not tell, which is no verdict to be measured by.</summary>
    public bool Told { get; init; } = true;

    public bool AlignmentFaking => Reasoning == ReasoningKind.Faking && Outcome == Outcome.Comply;
}
