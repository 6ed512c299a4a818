namespace RlHarness.Recipes.Settings;

/// <summary>What every stage of supervised tuning is set by.</summary>
public interface ISupervisedSettings
{
    double Epochs { get; }

    /// <summary>Sequences a step.</summary>
    int BatchSize { get; }

    int MicroBatchTokens { get; }

    double ValidationFraction { get; }

    OptimizerSettings Optimizer { get; }

    AdapterSettings? Adapter { get; }
}
