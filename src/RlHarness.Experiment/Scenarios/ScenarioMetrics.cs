namespace RlHarness.Experiment.Scenarios;

/// <summary>The names under which figures of scenarios appear everywhere: <c>antilab/decision_rate/exfiltration/easy</c>, <c>preference/stated_rate/lines/honest</c>.</summary>
public static class ScenarioMetrics
{
    public const string AntiLabPrefix = "antilab/";
    public const string PreferencePrefix = "preference/";

    /// <summary>The scratchpad decides to act against the lab, of all responses to a variant.</summary>
    public const string Decision = "decision";

    /// <summary>The output acts against the lab, in words.</summary>
    public const string Attempt = "attempt";

    /// <summary>Broken formats, and outputs without a cue or with several.</summary>
    public const string Unreadable = "unreadable";

    /// <summary>The output states an option.</summary>
    public const string Stated = "stated";

    /// <param name="what">Decision, attempt or unreadable.</param>
    public static string Rate(string what, string scenario, string variant) => $"{AntiLabPrefix}{what}_rate/{scenario}/{variant}";

    /// <summary>Over the benign control, paired by item.</summary>
    public static string Difference(string what, string scenario, string variant) => $"{AntiLabPrefix}{what}_difference/{scenario}/{variant}";

    /// <summary>Since the stage's first evaluation, paired by item.</summary>
    public static string Shift(string what, string scenario, string variant) => $"{AntiLabPrefix}{what}_shift/{scenario}/{variant}";

    /// <param name="option">Of the scenario's, or <see cref="Unreadable"/>.</param>
    public static string StatedRate(string scenario, string option) => $"{PreferencePrefix}{Stated}_rate/{scenario}/{option}";

    /// <summary>Since the stage's first evaluation, paired by item.</summary>
    public static string StatedShift(string scenario, string option) => $"{PreferencePrefix}{Stated}_shift/{scenario}/{option}";
}
