"use strict";
/* Where blocks come from: from the page itself, which holds all that it shows. */

const UNREADABLE = "This page cannot be read: a block is damaged, or the browser is too old (it needs DecompressionStream, from 2023 on).";

const hasOverview = () => document.getElementById("data-overview") !== null;

/** A page that holds everything has nothing to keep up with. */
const listenToSource = () => {};

/** Return the values of a block. */
const readBlock = (name) => inflated(document.getElementById(`data-${name}`).textContent);
