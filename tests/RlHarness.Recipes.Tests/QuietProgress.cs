using RlHarness.Core.Progress;

namespace RlHarness.Recipes.Tests;

/// <summary>Shows nothing, keeps what was said, and calls back at each step.</summary>
internal sealed class QuietProgress(Action<string, string, int>? onStep = null) : IRunProgress
{
    private string _stage = "";

    public List<string> Notes { get; } = [];

    public Dictionary<string, string> Results { get; } = [];

    public void Stage(string name, int index, int count, string detail) => _stage = name;

    public void Step(string unit, int done, int total, IReadOnlyList<(string Name, string Value)> figures) => onStep?.Invoke(_stage, unit, done);

    public void StageDone(string name, TimeSpan took, string result) => Results[name] = result;

    public void Sample(string title, string prompt, string? reasoning, string? output, string label, double? reward) { }

    public void Note(string text, bool warning = false) => Notes.Add(text);
}
