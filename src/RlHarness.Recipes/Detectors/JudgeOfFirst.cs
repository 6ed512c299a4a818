using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;
using RlHarness.Training.Collectives;

namespace RlHarness.Recipes.Detectors;

/// <summary>
/// A judge behind an endpoint, for several ranks: the first one asks, with as many questions at once as the settings let it, and keeps the answers; the others
/// hear them. The service is asked no question twice, and only the first rank's machine needs its key.
/// </summary>
internal sealed class JudgeOfFirst : IJudge
{
    private readonly Ranks _ranks;

    public JudgeOfFirst(Ranks ranks, Func<EndpointJudge> create)
    {
        _ranks = ranks;
        (Name, Version) = ranks.FromFirst(
            "a judge",
            () =>
            {
                Judge = create();
                return (Judge.Name, Judge.Version);
            }
        );
    }

    /// <summary>The judge itself; null on the other ranks.</summary>
    internal EndpointJudge? Judge { get; private set; }

    public string Name { get; }

    public string Version { get; }

    public JudgeUsage Usage => Judge?.Usage ?? new(0, 0, 0, 0, 0, 0, 0);

    public DetectorLabel Label(ParsedResponse response) => LabelAll([response])[0];

    public IReadOnlyList<DetectorLabel> LabelAll(IReadOnlyList<ParsedResponse> responses, CancellationToken cancellation = default) =>
        _ranks.FromFirst<DetectorLabel[]>($"labels by {Name}", () => [.. Judge!.LabelAll(responses, _ranks.Asked)]);

    public IReadOnlyList<JudgeAnswer> Complies(IReadOnlyList<string> outputs, CancellationToken cancellation = default) =>
        _ranks.FromFirst<JudgeAnswer[]>($"answers of {Name}", () => [.. Judge!.Complies(outputs, _ranks.Asked)]);
}
