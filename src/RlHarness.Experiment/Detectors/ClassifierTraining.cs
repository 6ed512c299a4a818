using RlHarness.Core.Randomness;

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
        var scored = rows.Where(r => held.Contains(r.Group))
            .Select(r => (r.AlignmentFaking, Label: classifier.Label(r.Response)))
            .Select(r => (r.AlignmentFaking, r.Label.AlignmentFaking, r.Label.Score))
            .ToArray();
        return new(classifier, kept.Length, DetectorScore.Of(scored));
    }
}
