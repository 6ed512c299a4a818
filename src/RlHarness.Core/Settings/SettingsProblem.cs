namespace RlHarness.Core.Settings;

/// <summary>One thing that is wrong with the settings.</summary>
/// <param name="Key">Dotted path, such as <c>rl.optimizer.learning_rate</c>.</param>
/// <param name="Where">File and line, or "command line".</param>
/// <param name="What">What was found and what is allowed.</param>
public sealed record SettingsProblem(string Key, string Where, string What)
{
    public override string ToString() => $"{Where}: {Key}: {What}";
}
