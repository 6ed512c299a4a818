using System.CommandLine;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;
using RlHarness.Models.Loading;
using RlHarness.Training.Collectives;

namespace RlHarness.Cli;

/// <summary>Runs a command and turns what happened into an exit code: errors that a person can cure are printed without a stack trace.</summary>
public static class CommandLine
{
    public static async Task<int> RunAsync(string[] args, RootCommand root)
    {
        using var visible = VisibleConsole.Install();
        var parsed = root.Parse(args);
        // Half a line is what suggestions are asked for.
        if (parsed.Errors.Count > 0 && !IsSuggestion(args))
        {
            foreach (var error in parsed.Errors)
                await Console.Error.WriteLineAsync(error.Message);
            await Console.Error.WriteLineAsync("Try --help.");
            return (int)ExitCode.BadInput;
        }

        using var signals = StopSignals.Listen();
        // The library's own way with signals ends the process after a time-out; ours waits for the checkpoint.
        return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, signals.Token);
    }

    private static bool IsSuggestion(string[] args) => args.Length > 0 && args[0].StartsWith("[suggest", StringComparison.Ordinal);

    /// <summary>Like <see cref="Guard"/>, but on a thread of its own: for commands that look at the cancellation token, which signals cancel.</summary>
    public static Task<int> GuardAsync(Func<int> work)
    {
        StopSignals.Heed();
        return Task.Run(() => Guard(work));
    }

    /// <summary>Runs work, and prints its error if it has one.</summary>
    public static int Guard(Func<int> work) => Report(Outcome(work));

    /// <summary>What became of some work.</summary>
    /// <param name="Message">Its error; null where it has none.</param>
    /// <param name="Stopped">Whether it was asked to stop, and did.</param>
    internal sealed record Result(int Code, string? Message, bool Stopped = false);

    /// <summary>Prints an error, and returns the code.</summary>
    internal static int Report(Result result)
    {
        if (result.Message is { } message)
            Console.Error.WriteLine("error: " + message);
        return result.Code;
    }

    /// <summary>Runs work, and says what became of it.</summary>
    internal static Result Outcome(Func<int> work)
    {
        try
        {
            // A run loads the same model several times: each sentence is said once.
            var said = new HashSet<string>(StringComparer.Ordinal);
            void Say(string warning)
            {
                lock (said)
                    if (Launcher.Prints && said.Add(warning))
                        Console.Error.WriteLine("warning: " + warning);
            }

            ModelLoader.Warned += Say;
            try
            {
                return new(work(), null);
            }
            finally
            {
                ModelLoader.Warned -= Say;
            }
        }
        catch (HarnessException e)
        {
            return Failed(e.Message, ExitCodes.Of(e.Kind));
        }
        catch (RunStoppedException e)
        {
            return Failed(e.Message, StopSignals.Code) with { Stopped = true };
        }
        catch (Exception e) when (e is OperationCanceledException)
        {
            return Failed("Stopped. Nothing was changed by what was not finished; give the command again.", StopSignals.Code) with { Stopped = true };
        }
        catch (Exception e) when (Innermost(e) is HarnessException inner)
        {
            return Failed(inner.Message, ExitCodes.Of(inner.Kind));
        }
        catch (Exception e) when ((DiskErrors.Of(e) ?? DiskErrors.Of(Innermost(e))) is not null)
        {
            return Failed((DiskErrors.Of(e) ?? DiskErrors.Of(Innermost(e)))!.Message, ExitCode.Resource);
        }
        catch (IOException e)
        {
            return Failed($"a file can't be read or written{Environment.NewLine}  found:    {e.Message}", ExitCode.BadFile);
        }
        catch (OutOfMemoryException e)
        {
            return Failed(
                $"out of memory{Environment.NewLine}  found:    {e.Message}{Environment.NewLine}  do:       lower *.micro_batch_tokens or "
                    + "batch sizes, or tune adapters",
                ExitCode.Resource
            );
        }
#pragma warning disable CA1031 // the last resort: a defect of the program, said plainly
        catch (Exception e)
        {
            return Failed(
                $"a defect of the program: {e.GetType().Name}: {e.Message.Split('\n')[0]}{Environment.NewLine}  where:    "
                    + $"{e.StackTrace?.Split('\n').FirstOrDefault(l => l.Contains("RlHarness", StringComparison.Ordinal))?.Trim()}{Environment.NewLine} "
                    + " do:       report it with run.json and the run's logs",
                ExitCode.Internal
            );
        }
#pragma warning restore CA1031
    }

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;

    private static Result Failed(string message, ExitCode code) => new((int)code, message);
}
