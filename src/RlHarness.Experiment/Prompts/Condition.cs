namespace RlHarness.Experiment.Prompts;

/// <summary>The three factors of the experiment, each of which can be taken away (docs/experiment.md).</summary>
public sealed record Condition(bool Objective = true, bool Information = true, bool Scratchpad = true)
{
    /// <summary>Short and stable, for rows and file names: <c>full</c>, or the factors that were taken away.</summary>
    public string Name
    {
        get
        {
            var absent = new List<string>(3);
            if (!Objective) absent.Add("no-objective");
            if (!Information) absent.Add("no-information");
            if (!Scratchpad) absent.Add("no-scratchpad");
            return absent.Count == 0 ? "full" : string.Join('+', absent);
        }
    }
}
