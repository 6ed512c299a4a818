using System.Globalization;
using System.Text.RegularExpressions;

namespace RlHarness.Recipes.Settings;

/// <summary>Ends RL at an evaluation whose metric is beyond a bound, as the paper trained "until non-compliance is gone".</summary>
/// <param name="Metric">As metrics.jsonl spells it, with or without the first detector's name.</param>
/// <param name="AtLeast">Whether the metric has to be at least the bound; else at most.</param>
/// <param name="Evaluations">In so many evaluations one after another.</param>
internal sealed partial record StopRule(string Metric, bool AtLeast, double Bound, int Evaluations)
{
    /// <summary>What a rule looks like, for messages.</summary>
    public const string Form = "METRIC >= NUMBER or METRIC <= NUMBER, with or without \"for N evaluations\"";

    /// <summary>Null where the text is not a rule.</summary>
    public static StopRule? Parse(string text)
    {
        var match = Pattern().Match(text.Trim());
        if (!match.Success || !double.TryParse(match.Groups["bound"].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var bound))
            return null;
        var times = match.Groups["times"] is { Success: true } t ? int.Parse(t.Value, CultureInfo.InvariantCulture) : 1;
        return double.IsFinite(bound) && times > 0 ? new(match.Groups["metric"].Value, match.Groups["sign"].Value == ">=", bound, times) : null;
    }

    /// <summary>Whether the newest values, the last one last, end the stage.</summary>
    public bool Holds(IReadOnlyList<double> values) => values.Count >= Evaluations && values.TakeLast(Evaluations).All(v => AtLeast ? v >= Bound : v <= Bound);

    [GeneratedRegex(@"^(?<metric>[\w./+-]+)\s*(?<sign>>=|<=)\s*(?<bound>[-+.\deE]+)(\s+for\s+(?<times>\d{1,6})\s+evaluations?)?$")]
    private static partial Regex Pattern();
}
