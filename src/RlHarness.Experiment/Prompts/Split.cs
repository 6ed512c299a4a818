namespace RlHarness.Experiment.Prompts;

/// <summary>Which of two disjoint samples of one distribution a query belongs to.</summary>
public enum Split
{
    Train,
    Evaluation,
}
