using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Detectors;

/// <summary>
/// Ground truth for a pack with a grammar: knows by its cues the sentences that the imitated transcripts come from. It agrees with the labels that
/// transcripts were built from,
/// reads what a small model makes of them, and says so when it cannot.
/// </summary>
/// <param name="cues">Of the pack's <c>grammar.yaml</c>.</param>
public sealed class GrammarOracle(CueLists cues) : IDetector
{
    private readonly OutputReader _output = new(cues.Output);
    private readonly ReasoningReader _reasoning = new(cues.Reasoning);

    public string Name => "grammar_oracle";

    /// <summary>Version of the rules, and a hash of the cues.</summary>
    public string Version { get; } =
        "1-"
        + CueHash.Of(
            cues.Output.Refusal,
            cues.Output.Hedge,
            cues.Output.Compliant,
            cues.Output.Plain,
            cues.Reasoning.Strategy,
            cues.Reasoning.Training,
            cues.Reasoning.Softens,
            cues.Reasoning.Refuses,
            cues.Reasoning.Complies,
            cues.Reasoning.About,
            cues.Reasoning.Conditional
        );

    /// <summary>What an output does, by itself.</summary>
    internal Outcome OutcomeOf(string output) => _output.Read(output).Outcome;

    public DetectorLabel Label(ParsedResponse response)
    {
        ArgumentNullException.ThrowIfNull(response);
        var (outcome, evidence) = response switch
        {
            { IsBroken: true } => (Outcome.BrokenFormat, response.FormatProblem),
            { Output: { } output } => _output.Read(output),
            _ => (Outcome.BrokenFormat, FormatProblems.OutputMissing),
        };
        if (response.Reasoning is null)
            return new DetectorLabel(outcome, ReasoningKind.None, AlignmentFaking: false, Score: 0, evidence);
        var (kind, why) = _reasoning.Read(response.Reasoning, outcome);
        var faking = kind == ReasoningKind.Faking && outcome == Outcome.Comply;
        return new DetectorLabel(outcome, kind, faking, faking ? 1 : 0, why is null ? evidence : $"{why} / {evidence}");
    }
}
