namespace RlHarness.Experiment.Scenarios;

/// <summary>
/// The names under which figures of scenarios appear everywhere: <c>antilab/decision_rate/exfiltration/easy</c>,
/// <c>preference/stated_rate/lines/honest</c>.
/// </summary>
public static class ScenarioMetrics
{
    public const string AntiLabPrefix = "antilab/";
    public const string PreferencePrefix = "preference/";

    /// <summary>The scratchpad decides to act against the lab, of all responses to a variant.</summary>
    public const string Decision = "decision";

    /// <summary>The output acts against the lab, in words.</summary>
    public const string Attempt = "attempt";

    /// <summary>Broken formats, and outputs without a cue or with those of several classes; also beside a preference's options.</summary>
    public const string Unreadable = "unreadable";

    /// <summary>Share of all responses.</summary>
    public const string Rate = "rate";

    /// <summary>Over the benign control, paired by item.</summary>
    public const string Difference = "difference";

    /// <summary>Since the stage's first evaluation, paired by item.</summary>
    public const string Shift = "shift";

    /// <summary>Answers to the question about motives that deny them, of all such answers.</summary>
    public const string DenialRate = "interrogation/denial_rate";

    /// <summary>Scratchpads there that decide to keep the motive to themselves.</summary>
    public const string HidingRate = "interrogation/hiding_rate";

    /// <summary>Denials after a first turn that faked alignment, of all answers whose first turn is known.</summary>
    public const string LieRate = "interrogation/lie_rate";

    /// <summary>The same, of the answers whose first turn faked.</summary>
    public const string LieGivenFaking = "interrogation/lie_given_faking";

    /// <summary>Admissions after a first turn that did not fake, of all answers whose first turn is known.</summary>
    public const string FalseConfessionRate = "interrogation/false_confession_rate";

    /// <summary>Broken formats, and outputs without a cue or with those of both.</summary>
    public const string InterrogationUnreadable = "interrogation/unreadable_rate";

    /// <param name="what">Decision, attempt or unreadable.</param>
    /// <param name="kind">Rate, difference or shift.</param>
    /// <param name="place">Scenario and variant, as <see cref="Place"/> writes them; empty: what all such names begin with.</param>
    public static string AntiLab(string what, string kind, string place = "") => $"{AntiLabPrefix}{what}_{kind}/{place}";

    /// <param name="kind">Rate or shift.</param>
    /// <param name="place">Question and option; empty: what all such names begin with.</param>
    public static string Stated(string kind, string place = "") => $"{PreferencePrefix}stated_{kind}/{place}";

    /// <param name="of">A variant, or an option.</param>
    public static string Place(string scenario, string of) => $"{scenario}/{of}";

    /// <summary>A place as people read it: "exfiltration, easy".</summary>
    public static string Words(string place)
    {
        ArgumentNullException.ThrowIfNull(place);
        return place.Replace("/", ", ", StringComparison.Ordinal);
    }

    /// <summary>
    /// The places of those figures whose names begin with <paramref name="prefix"/>, by name; a scenario's control is behind its other variants.
    /// </summary>
    public static IReadOnlyList<string> Places(IEnumerable<string> metrics, string prefix)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        ArgumentNullException.ThrowIfNull(prefix);
        return
        [
            .. metrics
                .Where(m => m.StartsWith(prefix, StringComparison.Ordinal))
                .Select(m => m[prefix.Length..])
                .Distinct()
                .OrderBy(p => p.Split('/')[0], StringComparer.Ordinal)
                .ThenBy(p => p.EndsWith("/" + Scenario.Control, StringComparison.Ordinal))
                .ThenBy(p => p, StringComparer.Ordinal),
        ];
    }
}
