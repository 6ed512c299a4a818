namespace RlHarness.Core.Progress;

/// <summary>What a run tells a person while it works. The console shows one live display, or plain lines where there is no terminal.</summary>
public interface IRunProgress
{
    /// <summary>A stage begins; <paramref name="index"/> counts from 1.</summary>
    void Stage(string name, int index, int count, string detail);

    /// <summary>Progress within the stage: <paramref name="done"/> of <paramref name="total"/>, and the figures that matter.</summary>
    void Step(string unit, int done, int total, IReadOnlyList<(string Name, string Value)> figures);

    /// <summary>A stage ends.</summary>
    void StageDone(string name, TimeSpan took, string result);

    /// <summary>A sample to read.</summary>
    void Sample(string title, string prompt, string? reasoning, string? output, string label, double? reward);

    /// <summary>A line for people: a warning, a note, a path.</summary>
    void Note(string text, bool warning = false);
}
